import { describe, expect, it } from "vitest";
import { createRam, type Ram } from "./ram.ts";

/** Two adjoining RAM slots whose order in host memory is reversed, then a hole, then a ROM. */
function build(): { ram: Ram; host: Uint8Array } {
  const buffer = new ArrayBuffer(0x4000);
  const ram = createRam({
    host: { memory: { buffer } },
    slots: [
      { gpa: 0x1000, length: 0x1000, hva: 0x2000, readOnly: false },
      { gpa: 0x0000, length: 0x1000, hva: 0x3000, readOnly: false },
      { gpa: 0x1_0000_0000, length: 0x1000, hva: 0x1000, readOnly: true },
    ],
  });
  return { ram, host: new Uint8Array(buffer) };
}

describe("createRam", () => {
  it("carries a transfer across adjoining slots", () => {
    const { ram, host } = build();
    ram.write(0xffe, Uint8Array.of(1, 2, 3, 4));
    expect([host[0x3ffe], host[0x3fff], host[0x2000], host[0x2001]]).toEqual([1, 2, 3, 4]);
    const back = new Uint8Array(4);
    ram.read(0xffe, back);
    expect([...back]).toEqual([1, 2, 3, 4]);
  });

  it("names the first gpa that is not RAM and changes nothing", () => {
    const { ram, host } = build();
    expect(() => ram.write(0x1ffe, new Uint8Array(4).fill(9))).toThrow(
      expect.objectContaining({ code: "BUS_RANGE", message: "gpa 0x2000 is not RAM" }),
    );
    expect(host[0x2ffe]).toBe(0);
    expect(() => ram.read(0x8000, new Uint8Array(1))).toThrow(/0x8000/);
  });

  it("lets nobody but a loader write ROM, and everybody read it", () => {
    const { ram } = build();
    expect(() => ram.write(0x1_0000_0000, Uint8Array.of(1))).toThrow(/0x100000000 is not RAM/);
    ram.program(0x1_0000_0000, Uint8Array.of(7));
    expect(ram.view(0x1_0000_0000, 1)?.[0]).toBe(7);
  });

  it("gives live views inside one slot only", () => {
    const { ram } = build();
    const view = ram.view(0x10, 4);
    ram.write(0x10, Uint8Array.of(5));
    expect(view?.[0]).toBe(5);
    expect(ram.view(0xffe, 4)).toBeUndefined();
    expect(ram.view(0x2000, 1)).toBeUndefined();
  });

  it("tells observers after each write until they are disposed of", () => {
    const { ram } = build();
    const seen: string[] = [];
    const observation = ram.observe((gpa, length) => {
      seen.push(`${gpa}+${length}:${ram.view(gpa, 1)?.[0]}`);
    });
    ram.write(0x20, Uint8Array.of(3, 4));
    observation.dispose();
    ram.write(0x20, Uint8Array.of(6));
    expect(seen).toEqual(["32+2:3"]);
  });

  it("moves a slot, and refuses an overlap without losing the old map", () => {
    const { ram } = build();
    ram.write(0x1000, Uint8Array.of(8));
    ram.setSlot(0, { gpa: 0x7000, length: 0x1000, hva: 0x2000, readOnly: false });
    expect(ram.view(0x7000, 1)?.[0]).toBe(8);
    expect(ram.view(0x1000, 1)).toBeUndefined();
    const overlapping = { gpa: 0, length: 0x1000, hva: 0, readOnly: false };
    expect(() => ram.setSlot(0, overlapping)).toThrow(/overlap/);
    expect(ram.slots.map((slot) => slot.gpa)).toEqual([0, 0x7000, 0x1_0000_0000]);
  });
});

import { createFakeMemory, createProbeLine } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createVirtioMmio, createVirtioRng } from "../src/index.ts";

function setUp() {
  const model = createVirtioRng({ random: () => 7 });
  const irq = createProbeLine();
  const device = createVirtioMmio({ model, memory: createFakeMemory(0x1_0000), irq });
  const [window] = device.regions;
  if (window === undefined) throw new Error("no window");
  return {
    device,
    irq,
    read: (at: number) => window.read(at, 4),
    write: (at: number, to: number) => window.write(at, 4, to),
  };
}

describe("createVirtioMmio", () => {
  it("says what it is", () => {
    const { read } = setUp();
    expect([read(0), read(4), read(8), read(0x34)]).toEqual([0x7472_6976, 2, 4, 64]);
    expect([read(0xb0), read(0xb4)]).toEqual([0xffff_ffff, 0xffff_ffff]);
  });

  it("accepts features that were offered, with VERSION_1, and nothing else", () => {
    for (const [low, high, status] of [
      [0x3000_0000, 1, 11],
      [0, 5, 11],
      [0, 0, 3],
      [1, 1, 3],
      [0, 0x8000_0001, 3],
    ] as const) {
      const { read, write } = setUp();
      write(0x70, 3);
      write(0x24, 0);
      write(0x20, low);
      write(0x24, 1);
      write(0x20, high);
      write(0x70, 11);
      expect(read(0x70)).toBe(status);
    }
  });

  it("does not start without FEATURES_OK, and ignores kicks before DRIVER_OK", () => {
    const { read, write, irq } = setUp();
    write(0x70, 7);
    expect(read(0x70)).toBe(3);
    write(0x50, 0);
    write(0x50, 0xffff_ffff);
    expect(irq.level).toBe(false);
  });

  it.each([
    ["a size that is no power of two", 0x38, 3],
    ["a size beyond the maximum", 0x38, 128],
    ["no size", 0x38, 0],
    ["a misaligned table", 0x80, 8],
    ["an address beyond any RAM", 0xa4, 0xffff_ffff],
  ])("needs a reset after %s", (_, register, value) => {
    const { read, write } = setUp();
    write(0x70, 3);
    write(0x24, 1);
    write(0x20, 1);
    write(0x70, 11);
    write(register, value);
    write(0x44, 1);
    write(0x70, 15);
    expect(read(0x70)).toBe(15 | 64);
    write(0x70, 0);
    expect([read(0x70), read(0x44)]).toEqual([0, 0]);
  });
});

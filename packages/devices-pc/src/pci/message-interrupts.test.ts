import type { AccessSize } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import { createFakeSlot } from "../../test/fake-slot.ts";
import { createPciFunction, type PciFunctionOptions } from "./pci-function.ts";

const IDENTITY = { vendorId: 1, deviceId: 2, classCode: 0x01_00_00 };
/** The only capability stands here. */
const CAP = 0x40;

function setUp(options: Pick<PciFunctionOptions, "msi" | "msix">) {
  const slot = createFakeSlot();
  const pci = createPciFunction(slot, { name: "fn", identity: IDENTITY, pin: 2, ...options });
  pci.writeConfig(0x04, 2, 0x0006);
  const read = (offset: number, size: AccessSize = 4): number => pci.readConfig(CAP + offset, size);
  const write = (offset: number, value: number, size: AccessSize = 4): void =>
    pci.writeConfig(CAP + offset, size, value);
  return { slot, pci, read, write, messages: slot.messages, pin: slot.pins[1] as (typeof slot.pins)[number] };
}

describe("MSI", () => {
  const on = (vectors: number, granted: number) => {
    const parts = setUp({ msi: { vectors } });
    parts.write(4, 0xfee0_1003);
    parts.write(8, 0);
    parts.write(12, 0x4142);
    parts.write(2, 1 | (Math.log2(granted) << 4), 2);
    return parts;
  };

  it("tells how many vectors it would like, and keeps what software grants", () => {
    const { read } = on(8, 2);
    expect([read(0, 1), read(2, 2), read(4), read(12, 2)]).toEqual([
      5,
      0x1_80 | (3 << 1) | (1 << 4) | 1,
      0xfee0_1000,
      0x4142,
    ]);
  });

  it("changes only the low bits of the data, as many as were granted", () => {
    const { pci, messages } = on(8, 4);
    for (const vector of [0, 3, 5, 8, 0xffff]) pci.signal(vector);
    expect(messages).toEqual(["fee01000=4140", "fee01000=4143", "fee01000=4141"]);
  });

  it("silences the pin while it is on", () => {
    const { pci, pin, write } = on(1, 1);
    pci.interrupt.set(true);
    expect([pci.sendsMessages, pin.level]).toEqual([true, false]);
    write(2, 0, 2);
    expect([pci.sendsMessages, pin.level]).toEqual([false, true]);
    write(2, 1, 2);
    expect(pin.level).toBe(false);
  });

  it("notes what is masked, and sends it when the mask is lifted", () => {
    const { pci, messages, read, write } = on(4, 4);
    write(16, 0xffff_ffff);
    expect(read(16)).toBe(0xf);
    pci.signal(1);
    pci.signal(1);
    pci.signal(2);
    expect([messages, read(20)]).toEqual([[], 0b0110]);
    write(16, 0b0100);
    expect([messages, read(20)]).toEqual([["fee01000=4141"], 0b0100]);
    write(16, 0);
    expect([messages.length, read(20)]).toEqual([2, 0]);
  });

  it("sends nothing while it is off, while the function is not bus master, and to where no memory can be", () => {
    const { pci, messages, write } = on(1, 1);
    pci.writeConfig(0x04, 2, 0);
    pci.signal(0);
    pci.writeConfig(0x04, 2, 4);
    write(8, 0x10_0000);
    pci.signal(0);
    write(8, 0);
    write(2, 0, 2);
    pci.signal(0);
    expect(messages).toEqual([]);
  });
});

describe("MSI-X", () => {
  const on = (vectors = 3, control = 0x8000) => {
    const parts = setUp({ msix: { vectors, bar: 1 } });
    parts.pci.writeConfig(0x14, 4, 0xfebf_0000);
    const window = parts.slot.at("mmio", 0xfebf_0000)?.region;
    if (window === undefined) throw new Error("no table");
    const program = (index: number, address: number, data: number, mask = 0): void => {
      for (const [i, value] of [address, 0, data, mask].entries()) window.write(16 * index + 4 * i, 4, value);
    };
    parts.write(2, control, 2);
    return { ...parts, window, program };
  };

  it("tells where its table is, and how long", () => {
    const { read, window } = on();
    expect([read(0, 1), read(2, 2), read(4), read(8)]).toEqual([0x11, 0x8002, 1, 0x801]);
    expect([window.length, window.read(12, 4), window.read(44, 4), window.read(48, 4)]).toEqual([0x1000, 1, 1, 0]);
    const large = setUp({ msix: { vectors: 2048, bar: 1 } });
    expect([large.read(2, 2), large.read(8)]).toEqual([0x7ff, 0x8001]);
  });

  it("sends what is not masked, and notes what is, by vector or by function", () => {
    const { pci, messages, window, program, write } = on(3, 0xc000);
    program(1, 0xfee0_1000, 0x41);
    program(2, 0xfee0_2000, 0x42, 1);
    for (const vector of [1, 2, 3, 0xffff]) pci.signal(vector);
    expect([messages, window.read(0x800, 1)]).toEqual([[], 0b110]);
    write(2, 0x8000, 2);
    expect([messages, window.read(0x800, 4)]).toEqual([["fee01000=41"], 0b100]);
    window.write(44, 4, 0);
    expect([messages.length, window.read(0x800, 1)]).toEqual([2, 0]);
    window.write(0x800, 4, 0xff);
    expect(window.read(0x800, 4)).toBe(0);
    pci.signal(1);
    expect(messages).toHaveLength(3);
  });

  it("keeps the table over a driver's reset, and loses it by the function's", () => {
    const { pci, window, program } = on();
    program(0, 0xfee0_0000, 1);
    pci.reset();
    expect([window.read(0, 4), window.read(12, 4)]).toEqual([0, 1]);
  });

  it("takes table and pending bits into a snapshot, and sends nothing by a restore", () => {
    const { pci, program, messages } = on(70, 0xc000);
    program(65, 0xfee0_1000, 0x41);
    pci.signal(65);
    const other = on(70, 0);
    other.pci.restore(structuredClone(pci.save()));
    expect([messages, other.messages]).toEqual([[], []]);
    other.write(2, 0x8000, 2);
    expect(other.messages).toEqual(["fee01000=41"]);
  });
});

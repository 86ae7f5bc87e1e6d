import type { AccessSize, Device } from "@tsvm/contracts";
import { testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createFakeSlot, plainRegion } from "../../test/fake-slot.ts";
import { createPciFunction, type PciFunction, type PciFunctionOptions } from "./pci-function.ts";

const IDENTITY = { vendorId: 0x1af4, deviceId: 0x1042, classCode: 0x01_00_00 };

function setUp(options: Partial<PciFunctionOptions> = {}) {
  const slot = createFakeSlot();
  const pci = createPciFunction(slot, { name: "fn", identity: IDENTITY, pin: 1, ...options });
  const read = (offset: number, size: AccessSize = 4): number => pci.readConfig(offset, size);
  const write = (offset: number, value: number, size: AccessSize = 4): void => pci.writeConfig(offset, size, value);
  return { slot, pci, read, write, line: slot.pins[0] as (typeof slot.pins)[number] };
}

/** A function has no regions; the contract reaches its registers through this one. */
function withRegion(pci: PciFunction): Device {
  return {
    name: pci.name,
    regions: [{ name: pci.name, length: 256, read: pci.readConfig.bind(pci), write: pci.writeConfig.bind(pci) }],
    reset: () => pci.reset(),
    save: () => pci.save(),
    restore: (state) => pci.restore(state as ReturnType<PciFunction["save"]>),
  };
}

testDevice("createPciFunction", () => {
  const { pci, slot } = setUp({
    bars: [
      { index: 0, kind: "memory64", prefetchable: true, region: plainRegion("m", 0x4000) },
      { index: 2, kind: "io", region: plainRegion("i", 0x20) },
    ],
    msi: { vectors: 4 },
    msix: { vectors: 5, bar: 3 },
    capabilities: [{ id: 9, body: [1, 2, 3], writable: [0xff, 0, 0] }],
  });
  return {
    device: withRegion(pci),
    outputs: slot.pins,
    disturb(random): void {
      pci.interrupt.set(random() % 2 === 0);
      pci.signal(random() % 6);
    },
  };
});

describe("BARs", () => {
  it("tell their size, and move their windows once they decode", () => {
    const { read, write, pci, slot } = setUp({
      bars: [
        { index: 0, kind: "memory", region: plainRegion("m", 0x1000) },
        { index: 1, kind: "io", region: plainRegion("i", 0x18) },
      ],
    });
    write(0x10, 0xffff_ffff);
    write(0x14, 0xffff_ffff);
    expect([read(0x10), read(0x14)]).toEqual([0xffff_f000, 0xffff_ffe1]);
    write(0x10, 0xfebf_0000);
    write(0x14, 0xc000);
    expect(slot.windows()).toEqual([]);
    write(0x04, 0x0003, 2);
    expect(slot.windows()).toEqual(["mmio febf0000 m", "io c000 i"]);
    write(0x10, 0xfe00_0000);
    write(0x04, 0x0002, 2);
    expect(slot.windows()).toEqual(["mmio fe000000 m"]);
    pci.reset();
    expect([slot.windows(), read(0x10), read(0x14)]).toEqual([[], 0, 1]);
  });

  it("of 64 bits stand above 4 GiB, and nowhere while they are sized", () => {
    const region = plainRegion("m", 0x4000);
    const { read, write, slot } = setUp({ bars: [{ index: 4, kind: "memory64", prefetchable: true, region }] });
    write(0x20, 0xffff_ffff);
    write(0x24, 0xffff_ffff);
    expect([read(0x20), read(0x24)]).toEqual([0xffff_c00c, 0xffff_ffff]);
    write(0x04, 0x0002, 2);
    expect(slot.windows()).toEqual([]);
    write(0x20, 0x8000_0000);
    write(0x24, 0x38);
    expect(slot.windows()).toEqual(["mmio 3880000000 m"]);
  });

  it("come back to where they were by a restore", () => {
    const bars = [{ index: 0, kind: "memory", region: plainRegion("m", 0x1000) }] as const;
    const first = setUp({ bars });
    first.write(0x10, 0xfebf_0000);
    first.write(0x04, 0x0002, 2);
    const second = setUp({ bars });
    second.pci.restore(structuredClone(first.pci.save()));
    expect(second.slot.windows()).toEqual(["mmio febf0000 m"]);
  });
});

describe("createPciFunction", () => {
  it("keeps identity and unused BARs from software", () => {
    const { read, write } = setUp();
    write(0x00, 0xffff_ffff);
    write(0x10, 0xffff_ffff);
    expect([read(0x00), read(0x10)]).toEqual([0x1042_1af4, 0]);
  });

  it("shows its interrupt in the status register and holds it back by the command register", () => {
    const { read, write, pci, line } = setUp();
    expect(read(0x3d, 1)).toBe(1);
    pci.interrupt.set(true);
    expect(line.level).toBe(true);
    expect(read(0x06, 2)).toBe(0x0008);
    write(0x04, 0x0400, 2);
    expect(line.level).toBe(false);
    write(0x04, 0x0004, 2);
    expect(line.level).toBe(true);
    expect(pci.isMaster).toBe(true);
  });

  it("reaches memory as bus master only", () => {
    const { write, pci, slot } = setUp();
    slot.memory.bytes[5] = 7;
    const byte = new Uint8Array(1);
    expect(() => pci.memory.read(5, byte)).toThrow(expect.objectContaining({ code: "BUS_RANGE" }));
    expect(() => pci.memory.write(5, byte)).toThrow(expect.objectContaining({ code: "BUS_RANGE" }));
    expect(pci.memory.view(5, 1)).toBeUndefined();
    write(0x04, 0x0004, 2);
    pci.memory.read(5, byte);
    expect([byte[0], pci.memory.view(5, 1)?.[0]]).toEqual([7, 7]);
  });

  it("lists MSI-X, MSI and its own capabilities, and lets those look at accesses", () => {
    const log: string[] = [];
    const own = {
      id: 9,
      body: [0x10, 0, 0x20],
      writable: [0, 0xff, 0],
      onRead: (bytes: Uint8Array, offset: number, size: number): void => {
        log.push(`read ${offset} ${size}`);
        bytes[4] = 0x99;
      },
      onWrite: (bytes: Uint8Array, offset: number, size: number): void =>
        void log.push(`write ${offset} ${size} ${bytes[3]}`),
    };
    const { read, write } = setUp({
      msi: { vectors: 1 },
      msix: { vectors: 3, bar: 1 },
      capabilities: [own, { id: 1, body: [] }],
    });
    const found: number[][] = [];
    for (let at = read(0x34, 1); at !== 0; at = read(at + 1, 1)) found.push([at, read(at, 1)]);
    expect(read(0x06, 2) & 0x10).toBe(0x10);
    expect(found).toEqual([
      [0x40, 0x11],
      [0x4c, 0x05],
      [0x64, 0x09],
      [0x6c, 0x01],
    ]);
    log.length = 0;
    expect(read(0x66, 4)).toBe(0x0000_9900 * 0x100 + 0x10);
    write(0x64, 0xffff_ffff);
    expect(log).toEqual(["read 2 4", "write 0 4 255"]);
    expect(read(0x66, 2)).toBe(0xff10);
  });

  it("does not take what software cannot write from saved state", () => {
    const { pci, read } = setUp();
    const forged = pci.save();
    forged.config.fill(0x55);
    pci.restore(forged);
    expect(read(0x00)).toBe(0x1042_1af4);
    expect(read(0x3c, 1)).toBe(0x55);
  });
});

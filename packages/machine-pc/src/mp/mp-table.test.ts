import { describe, expect, it } from "vitest";
import { buildMpTable, type MpPlatform } from "./mp-table.ts";

const platform: MpPlatform = {
  cpuCount: 2,
  localApicGpa: 0xfee00000,
  ioApicGpa: 0xfec00000,
  ioApicId: 0,
  interruptOverrides: [
    { irq: 0, gsi: 2, levelTriggered: false },
    { irq: 9, gsi: 9, levelTriggered: true },
  ],
  pci: {
    ecam: { gpa: 0xe0000000, length: 0x10000000 },
    memory: [],
    interrupts: [0, 1, 2, 3].map((i) => ({ gsi: 16 + i, irq: 10 + (i & 1) })),
  },
};

const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0) & 0xff;
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Walks the table as a system does: entries of type 0 have 20 bytes, the others 8. */
function read(change: Partial<MpPlatform> = {}) {
  const [pointer, table] = buildMpTable({ ...platform, ...change }, 0xf2000);
  const bytes = table?.bytes as Uint8Array;
  const view = new DataView(bytes.buffer);
  const entries: Uint8Array[] = [];
  for (let at = 44; at < bytes.length; at += entries.at(-1)?.length as number) {
    entries.push(bytes.subarray(at, at + (bytes[at] === 0 ? 20 : 8)));
  }
  const ofType = (type: number): number[][] => entries.filter(([is]) => is === type).map((entry) => [...entry]);
  return { pointer, table, bytes, view, entries, ofType };
}

describe("buildMpTable", () => {
  it("has a floating pointer on a 16-byte boundary that leads to the table", () => {
    const { pointer, table } = read();
    const bytes = pointer?.bytes as Uint8Array;
    expect([pointer?.gpa, bytes.length, text(bytes.subarray(0, 4)), sum(bytes)]).toEqual([0xf2000, 16, "_MP_", 0]);
    expect([...bytes.subarray(8, 10)]).toEqual([1, 4]);
    expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(table?.gpa);
    // Feature bytes: a table of its own, no IMCR.
    expect([...bytes.subarray(11)]).toEqual([0, 0, 0, 0, 0]);
  });

  it("has a header with length, checksum, number of entries and the local APICs' place", () => {
    const { bytes, view, entries } = read();
    expect([text(bytes.subarray(0, 4)), view.getUint16(4, true), bytes[6], sum(bytes)]).toEqual([
      "PCMP",
      bytes.length,
      4,
      0,
    ]);
    expect([view.getUint16(34, true), view.getUint32(36, true)]).toEqual([entries.length, 0xfee00000]);
  });

  it("lists processors, the first of which boots, buses and the I/O APIC", () => {
    const { ofType } = read();
    expect(ofType(0).map((entry) => entry.slice(0, 4))).toEqual([
      [0, 0, 0x14, 3],
      [0, 1, 0x14, 1],
    ]);
    expect(ofType(1).map(([, id, ...name]) => [id, text(Uint8Array.from(name))])).toEqual([
      [0, "PCI   "],
      [1, "ISA   "],
    ]);
    expect(ofType(2)).toEqual([[2, 0, 0x20, 1, 0, 0, 0xc0, 0xfe]]);
  });

  it("says where interrupts go", () => {
    const { ofType } = read();
    const from = (id: number): number[][] => ofType(3).filter((entry) => entry[4] === id);
    // The timer is moved, the cascade is nobody's, power management is level-triggered, all else as ISA has it.
    expect(from(1).length).toBe(15);
    expect(from(1).slice(0, 3)).toEqual([
      [3, 0, 0, 0, 1, 0, 0, 2],
      [3, 0, 0, 0, 1, 1, 0, 1],
      [3, 0, 0, 0, 1, 3, 0, 3],
    ]);
    expect(from(1).find((entry) => entry[5] === 9)).toEqual([3, 0, 0xd, 0, 1, 9, 0, 9]);
    // Slot 2: lines C, D, A, B.
    expect(from(0).length).toBe(128);
    expect(from(0).slice(8, 12)).toEqual([18, 19, 16, 17].map((gsi, pin) => [3, 0, 0xf, 0, 0, 8 + pin, 0, gsi]));
    expect(ofType(4)).toEqual([
      [4, 3, 0, 0, 1, 0, 0, 0],
      [4, 1, 0, 0, 1, 0, 0xff, 1],
    ]);
  });

  it("knows boards without PCI", () => {
    const { ofType } = read({ pci: undefined });
    expect(ofType(1).map(([, id, ...name]) => [id, text(Uint8Array.from(name))])).toEqual([[0, "ISA   "]]);
    expect(ofType(3).every((entry) => entry[4] === 0)).toBe(true);
  });
});

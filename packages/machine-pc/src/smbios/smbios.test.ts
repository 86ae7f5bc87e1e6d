import { describe, expect, it } from "vitest";
import { buildSmbios } from "./smbios.ts";

const identity = {
  manufacturer: "Maker",
  product: "Thing",
  version: "1.2",
  date: "01/02/2026",
  memoryBytes: 64 << 20,
  uuid: Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i),
};

/** type -> [formatted area, strings], walked as an OS does. */
function parse(table: Uint8Array): Map<number, { readonly area: Uint8Array; readonly strings: string[] }> {
  const found = new Map<number, { readonly area: Uint8Array; readonly strings: string[] }>();
  for (let at = 0; at < table.length; ) {
    const length = table[at + 1] as number;
    let end = at + length;
    while (table[end] !== 0 || table[end + 1] !== 0) end++;
    const text = String.fromCharCode(...table.subarray(at + length, end));
    found.set(table[at] as number, {
      area: table.subarray(at, at + length),
      strings: text === "" ? [] : text.split("\0"),
    });
    at = end + 2;
  }
  return found;
}

describe("buildSmbios", () => {
  const [entry, table] = buildSmbios(identity, 0xf2000).map((s) => s.bytes) as [Uint8Array, Uint8Array];
  const view = new DataView(entry.buffer);
  const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0) & 0xff;

  it("has an entry point with both checksums that points to the structures", () => {
    expect(entry.length).toBe(31);
    expect([sum(entry), sum(entry.subarray(16))]).toEqual([0, 0]);
    expect(view.getUint32(24, true)).toBe(0xf2020);
    expect(view.getUint16(22, true)).toBe(table.length);
  });

  it("names the machine", () => {
    const structures = parse(table);
    expect(structures.size).toBe(view.getUint16(28, true));
    expect(structures.get(0)?.strings).toEqual(["Maker", "1.2", "01/02/2026"]);
    expect(structures.get(1)?.strings).toEqual(["Maker", "Thing", "1.2"]);
    expect(structures.get(1)?.area.length).toBe(27);
    expect(structures.get(1)?.area.slice(8, 24)).toEqual(identity.uuid);
    expect([...structures.keys()].at(-1)).toBe(127);
  });

  it("has formatted areas as long as version 2.8 wants them", () => {
    const structures = parse(table);
    expect([0, 3, 16, 127].map((type) => structures.get(type)?.area.length)).toEqual([24, 22, 23, 4]);
    expect(new DataView(structures.get(16)?.area.slice().buffer as ArrayBuffer).getUint32(7, true)).toBe(65536);
  });
});

import { describe, expect, it } from "vitest";
import { checkFirmware, romSegments, romSlots } from "./firmware-rom.ts";
import { planMemory } from "./memory-map.ts";

const KIB = 1024;

describe("the firmware's ROM", () => {
  it("ends where the first MiB and the first 4 GiB end, and is read-only", () => {
    const places = romSlots(64 * KIB, 0x1000_0000, 0x2000_0000).map(({ gpa, hva, readOnly }) => [gpa, hva, readOnly]);
    expect(places).toEqual([
      [0xf_0000, 0x100f_0000, true],
      [0xffff_0000, 0x2000_0000, true],
    ]);
    expect(romSegments(new Uint8Array(128 * KIB)).map(({ gpa }) => gpa)).toEqual([0xe_0000, 0xfffe_0000]);
  });

  it("takes the place of RAM, without overlap and inside the RAM's own host memory", () => {
    const { slots } = planMemory(16 << 20, 0x1000_0000, "pci", 128 * KIB);
    const sorted = slots.toSorted((a, b) => a.gpa - b.gpa);
    for (const [i, { gpa, length, hva }] of sorted.entries()) {
      expect(gpa + length).toBeLessThanOrEqual(sorted[i + 1]?.gpa ?? 0x1_0000_0000);
      expect(hva >= 0x1000_0000 && hva + length <= 0x1100_0000).toBe(true);
    }
    const hosts = slots.toSorted((a, b) => a.hva - b.hva);
    for (const [i, { hva, length }] of hosts.entries()) {
      expect(hva + length).toBeLessThanOrEqual(hosts[i + 1]?.hva ?? 0x1100_0000);
    }
  });

  it("has one of two sizes", () => {
    for (const size of [64 * KIB, 128 * KIB]) expect(checkFirmware(new Uint8Array(size)).length).toBe(size);
    for (const size of [0, 64 * KIB - 1, 256 * KIB]) {
      expect(() => checkFirmware(new Uint8Array(size))).toThrow(
        `64 or 128 KiB is what the ROM takes, not ${size} bytes`,
      );
    }
  });
});

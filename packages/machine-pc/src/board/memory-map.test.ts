import { describe, expect, it } from "vitest";
import { GPA, planMemory } from "./memory-map.ts";

const MIB = 0x100000;
const GIB = 1024 * MIB;
const HVA = 0x20000;

describe("planMemory", () => {
  it("leaves the VGA window out and the tables' place in", () => {
    const { slots } = planMemory(64 * MIB, HVA, "pci");
    expect(slots).toEqual([
      { gpa: 0, length: 0xa0000, hva: HVA, readOnly: false },
      { gpa: 0xc0000, length: 64 * MIB - 0xc0000, hva: HVA + 0xc0000, readOnly: false },
    ]);
  });

  it("splits at 3 GiB once there are 3.5 GiB, so that all RAM stays reachable", () => {
    const whole = planMemory(0xe0000000 - 4096, HVA, "pci");
    expect(whole.slots.length).toBe(2);
    expect(whole.pciHoles).toEqual([
      { first: 0xe0000000 - 4096, last: 0xdfffffff },
      { first: 0xf0000000, last: 0xfebfffff },
    ]);
    const split = planMemory(0xe0000000, HVA, "pci");
    expect(split.slots[2]).toEqual({ gpa: 4 * GIB, length: 0x20000000, hva: HVA + 3 * GIB, readOnly: false });
    expect(split.pciHoles[0]?.first).toBe(3 * GIB);
    expect(split.e820.at(-1)).toEqual({ gpa: 4 * GIB, length: 0x20000000, type: 1 });
  });

  it("tells the guest all RAM and nothing that is not, without overlap", () => {
    for (const bytes of [2 * MIB, 512 * MIB, 4 * GIB - 16 * MIB]) {
      const { slots, e820 } = planMemory(bytes, HVA, "pci");
      let end = 0;
      for (const entry of e820) {
        expect(entry.gpa).toBeGreaterThanOrEqual(end);
        end = entry.gpa + entry.length;
        const backed = slots.some((s) => entry.gpa >= s.gpa && end <= s.gpa + s.length);
        expect(backed).toBe(entry.gpa !== GPA.ECAM);
      }
      const ram = e820.reduce((sum, entry) => sum + (entry.type === 1 ? entry.length : 0), 0);
      expect(ram).toBe(bytes - (GPA.HIGH_MEMORY - GPA.EBDA));
      expect(slots.reduce((sum, s) => sum + s.length, 0)).toBe(bytes - (GPA.ROM - GPA.VGA));
    }
  });
});

// What the profile counts, on programs whose counts are known.
import { describe, expect, it } from "vitest";
import type { TranslationProfile, VcpuCounters } from "../src/index.ts";
import { CODE, DATA, TinyMachine } from "./tiny-machine.ts";

type Profiled = { readonly profile: TranslationProfile | undefined; readonly counters: VcpuCounters };
const profiled = (m: TinyMachine): Profiled => m.vcpu as unknown as Profiled;
// mov ecx, 30; (5) inc byte [rdi]; out 80h, al; add eax, 1; sub ecx, 1; jnz 5; hlt
const WITH_PORT = "b9 1e 00 00 00 fe 07 e6 80 83 c0 01 83 e9 01 75 f4 f4";

describe.each([64, 32] as const)("a profile of %i-bit code", (bits) => {
  it("counts the runs of a region, its instructions, and where it was left", () => {
    const m = new TinyMachine(bits, { heatLimit: 3, profile: true }).set({ rdi: BigInt(DATA) });
    m.runToHalt(WITH_PORT);
    const { regions, sideExits } = profiled(m).profile as TranslationProfile;
    const out = sideExits.find(({ mnemonic }) => mnemonic === "OUT");
    expect(out?.rip).toBe(BigInt(CODE + 7));
    expect(out?.count).toBeGreaterThan(10);
    expect(out?.count).toBeLessThanOrEqual(30);
    const [first] = regions;
    expect(first?.rip).toBeGreaterThanOrEqual(BigInt(CODE));
    expect(first?.rip).toBeLessThan(BigInt(CODE + 18));
    const total = regions.reduce((sum, { instructions }) => sum + instructions, 0);
    expect(total).toBeGreaterThan(0);
    // OUT itself is never executed in a region.
    expect(total).toBeLessThanOrEqual(m.vcpu.instructionCount - (out?.count ?? 0));
    expect(regions.reduce((sum, use) => sum + use.sideExits, 0)).toBe(
      sideExits.reduce((sum, { count }) => sum + count, 0),
    );
  });

  it("changes nothing that the guest can see", () => {
    const states = [true, false].map((profile) => {
      const m = new TinyMachine(bits, { heatLimit: 3, profile }).set({ rdi: BigInt(DATA) });
      m.runToHalt(WITH_PORT);
      return [m.vcpu.save(), m.vcpu.instructionCount, m.log];
    });
    expect(states[0]).toEqual(states[1]);
  });

  it("counts under verification as well", () => {
    const m = new TinyMachine(bits, { heatLimit: 3, profile: true, verify: true }).set({ rdi: BigInt(DATA) });
    m.runToHalt(WITH_PORT);
    expect(profiled(m).profile?.sideExits.some(({ mnemonic }) => mnemonic === "OUT")).toBe(true);
  });

  it("goes on counting in a region that was dropped and made again", () => {
    const m = new TinyMachine(bits, { heatLimit: 3, profile: true }).set({ rdi: BigInt(CODE + 6) });
    // mov ecx, 20; (5) mov al, 1; add bl, al; sub ecx, 1; jnz 5; inc byte [rdi]; cmp byte [rdi], 4; jb 0; hlt
    m.runToHalt("b9 14 00 00 00 b0 01 00 c3 83 e9 01 75 f7 fe 07 80 3f 04 72 eb f4");
    const { profile, counters } = profiled(m);
    expect(counters.regionsMade).toBeGreaterThan(profile?.regions.length ?? Number.POSITIVE_INFINITY);
    expect(profile?.regions[0]?.instructions).toBeGreaterThan(60);
  });
});

it("there is none unless it was asked for", () => {
  expect(profiled(new TinyMachine(64)).profile).toBeUndefined();
});

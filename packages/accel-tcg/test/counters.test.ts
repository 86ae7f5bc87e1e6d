// What `counters` count, on programs whose counts are known.
import { describe, expect, it } from "vitest";
import type { VcpuCounters } from "../src/index.ts";
import { CODE, TinyMachine } from "./tiny-machine.ts";

const countersOf = (m: TinyMachine): VcpuCounters => (m.vcpu as unknown as { counters: VcpuCounters }).counters;

describe.each([64, 32, 16] as const)("counters of %i-bit code", (bits) => {
  it("tell exceptions from interrupts, and both from what TypeScript executes", () => {
    const m = new TinyMachine(bits);
    // cpuid; cpuid; ud2
    m.runToHalt("0f a2 0f a2 0f 0b");
    const { exceptions, interrupts, helperCalls, runLoops, undefinedOpcodes } = countersOf(m);
    expect([exceptions, interrupts, undefinedOpcodes]).toEqual([1, 0, 0]);
    expect(helperCalls).toBeGreaterThanOrEqual(2);
    expect(runLoops).toBeGreaterThanOrEqual(2);
  });

  it("count an interrupt when it is delivered, not when it is raised", () => {
    const m = new TinyMachine(bits);
    m.code(CODE, "90 eb fd");
    m.interrupt(0x31);
    m.run(10);
    expect(countersOf(m).interrupts).toBe(0);
    m.set({ rflags: 0x202n });
    m.run(10);
    expect([countersOf(m).interrupts, countersOf(m).exceptions]).toEqual([1, 0]);
  });
});

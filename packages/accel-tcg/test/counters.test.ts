// What `counters` count, on programs whose counts are known.
import { describe, expect, it } from "vitest";
import type { TcgOptions, VcpuCounters } from "../src/index.ts";
import { CODE, DATA, DEVICE, TinyMachine } from "./tiny-machine.ts";

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

/** 30 turns of `body`, which begins at CODE + 5 and leaves ecx alone, in code that becomes a region after 3. */
function loop(body: string, options: Partial<TcgOptions> = {}): TinyMachine {
  const length = body.split(" ").length;
  const back = (256 - length - 5).toString(16);
  // mov ecx, 30; body; sub ecx, 1; jnz; hlt
  return new TinyMachine(64, { heatLimit: 3, verify: false, ...options }).runToHalt(
    `b9 1e 00 00 00 ${body} 83 e9 01 75 ${back} f4`,
  );
}

describe("side exits are counted by cause", () => {
  it("a device in memory, a port and an instruction for TypeScript", () => {
    const m = new TinyMachine(64, { heatLimit: 3, verify: false }).set({ rsi: BigInt(DEVICE) });
    // mov ebp, 30; (5) mov eax, [rsi]; mov [rsi+4], eax; out 80h, al; cpuid; sub ebp, 1; jnz 5; hlt
    m.runToHalt("bd 1e 00 00 00 8b 06 89 46 04 e6 80 0f a2 83 ed 01 75 f2 f4");
    const { deviceLoads, deviceStores, portWrites, portReads, ...counters } = countersOf(m);
    expect([deviceLoads, deviceStores, portWrites, portReads]).toEqual([30, 30, 30, 0]);
    for (const cause of ["readMiss", "portOut", "cpuid"] as const) {
      const count = counters[`sideExits.${cause}`];
      expect(count, cause).toBeGreaterThan(20);
      expect(count, cause).toBeLessThan(30);
    }
    expect(counters["sideExits.#GP"]).toBeUndefined();
  });

  it("an exception is one of them by its name", () => {
    // div by zero in the 20th turn: lea eax, [rcx-10]; cdq; idiv eax
    const m = new TinyMachine(64, { heatLimit: 3, verify: false });
    m.code(CODE, "b9 1e 00 00 00 8d 41 f6 99 f7 f8 83 e9 01 75 f5 f4").set({ rip: BigInt(CODE) });
    m.run();
    expect([m.event().vector, countersOf(m)["sideExits.#DE"]]).toEqual([0, 1]);
  });
});

describe("the soft TLB", () => {
  it("misses once for a page", () => {
    const { tlbMisses, tlbFills } = countersOf(loop("8b 07"));
    expect([tlbMisses, tlbFills]).toEqual([1, 1]);
  });

  it("has the hits of regions counted if they are profiled", () => {
    // mov eax, [rdi]; mov edx, [rdi+8]: one look for both, and for all turns that are emitted at a time
    const { regionTlbHits, ...counters } = countersOf(loop("8b 07 8b 57 08", { profile: true }));
    expect(regionTlbHits).toBeGreaterThan(2);
    expect(regionTlbHits).toBeLessThanOrEqual(30);
    expect(counters["sideExits.readMiss"] ?? 0).toBe(0);
    expect(countersOf(loop("8b 07 8b 57 08")).regionTlbHits).toBe(0);
  });

  it("a page that is written to is another miss than one that is read", () => {
    const m = loop("8b 07 89 07");
    expect([countersOf(m).tlbMisses, m.read32(DATA)]).toEqual([2, 0]);
  });
});

describe("the ends of runs", () => {
  it("tell a spent budget from a look at an interrupt", () => {
    const m = new TinyMachine(64).code(CODE, "90 eb fd").set({ rflags: 0x202n });
    m.run(50);
    expect([countersOf(m).fuelExpiries, countersOf(m).yields]).toEqual([1, 0]);
    m.code(CODE, "e6 80 eb fc");
    m.onAccess = () => m.interrupt(0x31);
    m.run(50);
    expect([countersOf(m).fuelExpiries, countersOf(m).yields]).toEqual([1, 1]);
  });
});

it("the time of translating is told by its stages", () => {
  let now = 0;
  const { findMs, emitMs, writeMs, compileMs, regionsMade } = countersOf(loop("90", { monotonicMs: () => now++ }));
  expect(regionsMade).toBeGreaterThan(0);
  expect([findMs, emitMs, writeMs, compileMs]).toEqual([regionsMade, regionsMade, regionsMade, regionsMade]);
});

// What a vCPU counts as it runs, under the names that frontends show.
import { type SideCause, sideExitCounts, TLB_LOOKS } from "@tsvm/cpu-x86";
import type { RegionCounters } from "./region-cache.ts";

/** Times regions were left in front of an instruction, by cause; what did not occur is absent. */
export type SideExitCounters = { readonly [cause in SideCause as `sideExits.${cause}`]?: number };

/** Counters of one vCPU, for the facade. */
export interface VcpuCounters extends RegionCounters, SideExitCounters {
  readonly instructions: number;
  readonly decodedInstructions: number;
  readonly invalidations: number;
  /** Times the jump cache did not know where to go on. */
  readonly lookups: number;
  /** Accesses to memory that the soft TLB did not answer, and entries made for them: the rest were devices and faults. */
  readonly tlbMisses: number;
  readonly tlbFills: number;
  /**
   * Looks of regions into the soft TLB, less those that missed. Counted while regions are profiled, else 0: to count them takes
   * longer than they do. The interpreter's are never counted.
   */
  readonly regionTlbHits: number;
  /** Accesses to memory that no slot backs, and to ports: one of a string instruction each. */
  readonly deviceLoads: number;
  readonly deviceStores: number;
  readonly portReads: number;
  readonly portWrites: number;
  readonly undefinedOpcodes: number;
  /** Exceptions and interrupts delivered. */
  readonly exceptions: number;
  readonly interrupts: number;
  /** Instructions that TypeScript executed: system instructions and the like. */
  readonly helperCalls: number;
  /** Times the run loop looked at what is due; each is an entry into generated code, or its refusal. */
  readonly runLoops: number;
  /** Times generated code came back because its fuel was spent: the budget was, or it was asked to look at an interrupt. */
  readonly fuelExpiries: number;
  readonly yields: number;
}

/** What the vCPU counts itself. */
type EventCounts = {
  -readonly [name in
    | "exceptions"
    | "interrupts"
    | "helperCalls"
    | "runLoops"
    | "fuelExpiries"
    | "yields"
    | "tlbMisses"
    | "portReads"
    | "portWrites"]: VcpuCounters[name];
};

/** All at 0. */
export const createEventCounts = (): EventCounts => ({
  exceptions: 0,
  interrupts: 0,
  helperCalls: 0,
  runLoops: 0,
  fuelExpiries: 0,
  yields: 0,
  tlbMisses: 0,
  portReads: 0,
  portWrites: 0,
});

/** What regions count in the WebAssembly memory. */
export function regionExitCounters(view: DataView): SideExitCounters & Pick<VcpuCounters, "regionTlbHits"> {
  const counts = sideExitCounts(view);
  const missed = (counts.get("readMiss") ?? 0) + (counts.get("writeMiss") ?? 0);
  const looks = Number(view.getBigUint64(TLB_LOOKS, true));
  const named = [...counts].map(([cause, count]) => [`sideExits.${cause}`, count] as const);
  return { regionTlbHits: Math.max(0, looks - missed), ...Object.fromEntries(named) };
}

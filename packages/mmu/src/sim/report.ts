import type { Costs } from "./costs.ts";
import type { KernelCounters } from "./guest-kernel.ts";
import type { SchemeOptions, SimulatedScheme } from "./scheme-machine.ts";
import type { MmuCounters } from "./simulated-mmu.ts";

/** Everything a simulation counts. */
export interface SimulationSums extends MmuCounters, KernelCounters {
  /** References by whose table. */
  readonly nativeReferences: number;
  readonly guestReferences: number;
  readonly hostReferences: number;
  readonly shadowReferences: number;
  /** Exits, or host page faults, because the host had no page. */
  readonly violations: number;
  /** Exits because the hypervisor intercepts page faults, INVLPG and CR3 loads, or some of these. */
  readonly pagingExits: number;
  /** Stores to protected tables. */
  readonly tracingFaults: number;
  /** Accesses that no process can make: passed by. */
  readonly nonCanonical: number;
  /** Of lookups in the second-level TLB. */
  readonly secondTlbCycles: number;
  /** Now, not since: frames of the guest's tables, its pages, and the host's pages under them. */
  readonly tableFrames: number;
  readonly pages: number;
  readonly hostPages: number;
}

/** What came of a simulation, fit for JSON. */
export interface SimulationReport {
  readonly scheme: SimulatedScheme;
  readonly guestPages: string;
  readonly hostPages: string;
  readonly accesses: number;
  readonly l1Hits: number;
  readonly l2Hits: number;
  readonly walks: number;
  /** Walks a thousand accesses. */
  readonly missesPerThousand: number;
  /** Entries read a walk, on average. */
  readonly referencesPerWalk: number;
  /** Cycles of translation for each access: second-level TLB, walks, faults and exits. */
  readonly cyclesPerAccess: number;
  /** Where they come from. */
  readonly cycles: {
    readonly tlb: number;
    readonly walks: number;
    readonly guestFaults: number;
    readonly hypervisor: number;
  };
  readonly references: {
    readonly native: number;
    readonly guest: number;
    readonly host: number;
    readonly shadow: number;
  };
  readonly events: {
    readonly guestFaults: number;
    readonly violations: number;
    readonly hiddenFaults: number;
    readonly tracingFaults: number;
    readonly pagingExits: number;
    readonly demandFaults: number;
    readonly copyFaults: number;
    readonly tableStores: number;
    readonly invlpgs: number;
    readonly cr3Writes: number;
    readonly forks: number;
    readonly nonCanonical: number;
  };
  readonly memory: { readonly tableFrames: number; readonly pages: number; readonly hostPages: number };
}

const LEVELS_NOW = ["tableFrames", "pages", "hostPages"] as const satisfies readonly (keyof SimulationSums)[];

/** The difference of two sums, weighed. */
export function reportOf(
  options: SchemeOptions,
  costs: Costs,
  now: SimulationSums,
  before: SimulationSums,
): SimulationReport {
  const sums = difference(now, before);
  const { guestPages = "4K", hostPages = "4K", scheme } = options;
  const { accesses, l1Hits, l2Hits, walks } = sums;
  const cycles = cyclesOf(sums, costs);
  const total = cycles.tlb + cycles.walks + cycles.guestFaults + cycles.hypervisor;
  return {
    scheme,
    guestPages,
    hostPages: scheme === "native" ? "native" : hostPages,
    accesses,
    l1Hits,
    l2Hits,
    walks,
    missesPerThousand: ratio(walks * 1000, accesses),
    referencesPerWalk: ratio(sums.references, walks),
    cyclesPerAccess: ratio(total, accesses),
    cycles,
    references: {
      native: sums.nativeReferences,
      guest: sums.guestReferences,
      host: sums.hostReferences,
      shadow: sums.shadowReferences,
    },
    events: eventsOf(sums),
    memory: { tableFrames: sums.tableFrames, pages: sums.pages, hostPages: sums.hostPages },
  };
}

function eventsOf(sums: SimulationSums): SimulationReport["events"] {
  const { guestFaults, violations, hiddenFaults, tracingFaults, pagingExits, demandFaults } = sums;
  const { copyFaults, tableStores, invlpgs, cr3Writes, forks, nonCanonical } = sums;
  const faults = { guestFaults, violations, hiddenFaults, tracingFaults, pagingExits, demandFaults, copyFaults };
  return { ...faults, tableStores, invlpgs, cr3Writes, forks, nonCanonical };
}

function cyclesOf(sums: SimulationSums, costs: Costs): SimulationReport["cycles"] {
  const exits = sums.violations + sums.hiddenFaults + sums.tracingFaults + sums.pagingExits;
  return {
    tlb: sums.secondTlbCycles,
    walks: sums.walkCycles,
    guestFaults: (sums.demandFaults + sums.copyFaults) * costs.guestFault,
    hypervisor:
      exits * costs.exit +
      sums.violations * costs.violation +
      sums.hiddenFaults * costs.hiddenFault +
      sums.tracingFaults * costs.tracingFault,
  };
}

function difference(now: SimulationSums, before: SimulationSums): SimulationSums {
  const keys = Object.keys(now) as (keyof SimulationSums)[];
  const since = (key: keyof SimulationSums): number =>
    (LEVELS_NOW as readonly string[]).includes(key) ? now[key] : now[key] - before[key];
  return Object.fromEntries(keys.map((key) => [key, since(key)])) as unknown as SimulationSums;
}

function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}

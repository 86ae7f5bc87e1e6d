import type { SimulationOptions } from "../sim/simulation.ts";
import type { WorkloadOptions } from "../workload/workload.ts";
import { NEHALEM, OPTERON, RECENT } from "./processors.ts";

/** One memory system of a comparison; `%` figures compare it with the preset's first. */
export interface PresetSide {
  readonly name: string;
  readonly options: SimulationOptions;
}

/** One workload, with what the paper says of work like it. */
export interface PresetRow {
  readonly name: string;
  readonly workload: WorkloadOptions;
  readonly accesses: number;
  /** Records before counting begins; default: twice every page, and some rounds of change. */
  readonly warmUp?: number;
  readonly sides: readonly PresetSide[];
  readonly published: string;
}

/** A published comparison, made again with other processors and other programs: the trend should be the same. */
export interface PaperPreset {
  readonly source: string;
  readonly url: string;
  /** What the percentages are. */
  readonly measure: "speed-up of the first over the second" | "time beyond the first's";
  readonly rows: readonly PresetRow[];
}

const MIB = 2 ** 20;
/** Reads alone: the first write to each page, which shadow tables must see, is no part of what is compared. */
const BIG: WorkloadOptions = { name: "pointer-chase", bytes: 64 * MIB, writes: 0 };
const SKEWED: WorkloadOptions = { name: "zipf", bytes: 16 * MIB, writes: 0 };
const GRAPH: WorkloadOptions = { name: "graph", bytes: 64 * MIB };
const churn = (quiet: number): WorkloadOptions => ({ name: "mmap", bytes: 2 * MIB, pages: 16, quiet });
const BIG_CHURN: WorkloadOptions = { name: "mmap", bytes: 64 * MIB, writes: 0, pages: 16, quiet: 3000 };
const FORK: WorkloadOptions = { name: "fork", bytes: 2 * MIB, pages: 64 };

const LARGE = { guestPages: "2M", hostPages: "2M" } as const;
const NEHALEM_EPT: PresetSide = { name: "EPT", options: { scheme: "ept", ...NEHALEM } };
const NEHALEM_SHADOW: PresetSide = { name: "shadow", options: { scheme: "shadow", ...NEHALEM } };
const VMWARE = [NEHALEM_EPT, NEHALEM_SHADOW];
const VMWARE_LARGE = VMWARE.map(({ name, options }) => ({ name, options: { ...options, ...LARGE } }));

const WALK_CACHE = { level2: { entries: 24 }, level3: { entries: 8 }, level4: { entries: 4 } } as const;
const CACHED: PresetSide = {
  name: "walk caches",
  options: {
    scheme: "npt",
    tlb: OPTERON.tlb,
    walk: {
      ...OPTERON.walk,
      walkCache: WALK_CACHE,
      hostWalkCache: WALK_CACHE,
      nestedTlb: { pages: ["4K"], entries: 16 },
    },
  },
};
const BHARGAVA = [CACHED, { name: "none", options: { scheme: "npt", ...OPTERON } } satisfies PresetSide];

const FOUR: readonly PresetSide[] = [
  { name: "native", options: { scheme: "native", ...RECENT } },
  { name: "EPT", options: { scheme: "ept", ...RECENT } },
  { name: "shadow", options: { scheme: "shadow", ...RECENT } },
  { name: "agile", options: { scheme: "agile", ...RECENT } },
];

const AGILE = "agile within 4 % of native, 12 % better than the best of the others";

/** By the names `tsvm-mmu paper` takes. */
export const PAPER_PRESETS: Readonly<Record<string, PaperPreset>> = {
  vmware2009: {
    source: "VMware, Performance Evaluation of Intel EPT Hardware Assist, 2009",
    url: "https://blogs.vmware.com/performance/2009/03/performance-evaluation-of-intel-ept-hardware-assist-.html",
    measure: "speed-up of the first over the second",
    rows: [
      {
        name: "an application that changes tables",
        workload: churn(3000),
        accesses: 65_536,
        sides: VMWARE,
        published: "up to 48 %",
      },
      { name: "mmap micro-benchmark", workload: churn(0), accesses: 8192, sides: VMWARE, published: "up to 600 %" },
      { name: "fork micro-benchmark", workload: FORK, accesses: 8192, sides: VMWARE, published: "up to 600 %" },
      { name: "TLB-bound, 4K pages", workload: BIG, accesses: 65_536, sides: VMWARE, published: "a loss" },
      {
        name: "TLB-bound, 2M pages",
        workload: BIG,
        accesses: 65_536,
        sides: VMWARE_LARGE,
        published: "the loss made good",
      },
    ],
  },
  bhargava2008: {
    source: "R. Bhargava et al., Accelerating Two-Dimensional Page Walks for Virtualized Systems, ASPLOS 2008",
    url: "https://doi.org/10.1145/1346281.1346286",
    measure: "speed-up of the first over the second",
    rows: [
      { name: "skewed accesses", workload: SKEWED, accesses: 65_536, sides: BHARGAVA, published: "15 to 38 %" },
      { name: "sweep over a graph", workload: GRAPH, accesses: 65_536, sides: BHARGAVA, published: "15 to 38 %" },
    ],
  },
  agile2016: {
    source: "J. Gandhi et al., Agile Paging: Exceeding the Best of Nested and Shadow Paging, ISCA 2016",
    url: "https://doi.org/10.1109/ISCA.2016.67",
    measure: "time beyond the first's",
    rows: [
      { name: "TLB-bound, tables at rest", workload: BIG, accesses: 65_536, sides: FOUR, published: AGILE },
      {
        name: "an application that changes tables",
        workload: churn(1000),
        accesses: 65_536,
        sides: FOUR,
        published: AGILE,
      },
      {
        name: "TLB-bound, and changes tables",
        workload: BIG_CHURN,
        accesses: 65_536,
        // At random until no page is left untouched.
        warmUp: 400_000,
        sides: FOUR,
        published: AGILE,
      },
      {
        name: "changes tables all the time",
        workload: churn(100),
        accesses: 32_768,
        warmUp: 65_536,
        sides: FOUR,
        published: AGILE,
      },
    ],
  },
};

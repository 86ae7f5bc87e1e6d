import type { TlbGeometry } from "../structures/tlb-hierarchy.ts";
import type { WalkGeometry } from "../structures/walk-structures.ts";

/** TLBs, walk caches and data caches of one kind of processor. */
export interface ProcessorModel {
  readonly tlb: TlbGeometry;
  readonly walk: WalkGeometry;
}

/** Bytes of 4-KByte pages that the TLBs of a model cover together: its reach. */
export function reachOf({ tlb }: ProcessorModel): number {
  const last = tlb.l2 ?? tlb.l1;
  return last.reduce((sum, { pages, entries }) => sum + (pages.includes("4K") ? entries * 0x1000 : 0), 0);
}

const CACHES = {
  l1: { bytes: 32 << 10, ways: 8, cycles: 4 },
  l2: { bytes: 256 << 10, ways: 8, cycles: 12 },
  llc: { bytes: 8 << 20, ways: 16, cycles: 40 },
  memoryCycles: 200,
} as const;

/** Of the order of Intel's from 2015 on: 64 and 1536 entries, walk caches in both dimensions. */
export const RECENT: ProcessorModel = {
  tlb: {
    l1: [
      { pages: ["4K"], entries: 64, ways: 4 },
      { pages: ["2M"], entries: 32, ways: 4 },
    ],
    l2: [{ pages: ["4K", "2M"], entries: 1536, ways: 12 }],
  },
  walk: {
    walkCache: { level2: { entries: 32, ways: 4 }, level3: { entries: 4 }, level4: { entries: 2 } },
    hostWalkCache: { level2: { entries: 32, ways: 4 }, level3: { entries: 4 }, level4: { entries: 2 } },
    nestedTlb: { pages: ["4K", "2M"], entries: 64, ways: 4 },
    caches: CACHES,
  },
};

/** Of the order of the Xeon 5500 (Nehalem) of VMware's study: 64 and 512 entries, the second level for 4-KByte pages only. */
export const NEHALEM: ProcessorModel = {
  tlb: {
    l1: [
      { pages: ["4K"], entries: 64, ways: 4 },
      { pages: ["2M"], entries: 32, ways: 4 },
    ],
    l2: [{ pages: ["4K"], entries: 512, ways: 4 }],
  },
  walk: {
    walkCache: { level2: { entries: 32, ways: 4 } },
    hostWalkCache: { level2: { entries: 16, ways: 4 } },
    caches: CACHES,
  },
};

/** Of the order of the Opteron of Bhargava et al.: 40 and 512 entries; without any walk cache. */
export const OPTERON: ProcessorModel = {
  tlb: {
    l1: [{ pages: ["4K", "2M"], entries: 40 }],
    l2: [{ pages: ["4K"], entries: 512, ways: 4 }],
  },
  walk: {
    caches: {
      l1: { bytes: 64 << 10, ways: 2, cycles: 3 },
      l2: { bytes: 512 << 10, ways: 16, cycles: 14 },
      llc: { bytes: 2 << 20, ways: 32, cycles: 45 },
      memoryCycles: 250,
    },
  },
};

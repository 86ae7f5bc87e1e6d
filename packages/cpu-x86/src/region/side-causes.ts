// Why regions are left in front of an instruction. Each side exit carries the number of its cause in the constant that it gives
// back anyway; where all side exits of a region meet, the cause is counted: nothing is done for it on the way through.
import { VECTOR, type VectorName } from "../exceptions/vectors.ts";
import { SIDE_EXIT_COUNTS, SIDE_EXIT_COUNTS_BYTES } from "../state/memory-map.ts";
import { HELPERS, type HelperName } from "../system/helpers.ts";

/**
 * Why a region is left: memory that the soft TLB has no entry for (a miss, a device, a store to code, an access across
 * pages), a page that may be mapped no more, an exception, the helper that the instruction needs, a look at the clock while the
 * region is verified, or what the translator knows no more of.
 */
export type SideCause = "readMiss" | "writeMiss" | "otherPage" | "clock" | "other" | `#${VectorName}` | HelperName;

const CAUSES: readonly SideCause[] = [
  "readMiss",
  "writeMiss",
  "otherPage",
  "clock",
  "other",
  ...(Object.keys(VECTOR) as VectorName[]).map((name) => `#${name}` as const),
  ...(Object.keys(HELPERS) as HelperName[]),
];
const NUMBERS: ReadonlyMap<SideCause, number> = new Map(CAUSES.map((cause, number) => [cause, number]));

/** Bytes of one count: u64. */
export const SIDE_COUNT_BYTES = 8;

if (CAUSES.length * SIDE_COUNT_BYTES > SIDE_EXIT_COUNTS_BYTES) throw new Error("no room to count all causes");

/** The number by which generated code knows a cause. */
export const causeNumber = (cause: SideCause): number => NUMBERS.get(cause) as number;

/** Its name. */
export const causeName = (number: number): string => CAUSES[number] as string;

/** How often regions were left since the processor was made, by cause; only causes that occurred. */
export function sideExitCounts(view: DataView): ReadonlyMap<SideCause, number> {
  const counts = new Map<SideCause, number>();
  for (const [number, cause] of CAUSES.entries()) {
    const count = Number(view.getBigUint64(SIDE_EXIT_COUNTS + number * SIDE_COUNT_BYTES, true));
    if (count > 0) counts.set(cause, count);
  }
  return counts;
}

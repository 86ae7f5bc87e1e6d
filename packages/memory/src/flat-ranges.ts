import type { IoRegion } from "@tsvm/contracts";

/** A region as mapped; where regions overlap, the one later in the list is seen. */
export interface MappedRegion {
  base: number;
  readonly region: IoRegion;
}

/** A stretch of the space that belongs to one region. `base` is where that region begins, perhaps before `start`. */
export interface FlatRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly base: number;
  readonly region: IoRegion;
}

/** What is seen from above: disjoint ranges in ascending order. Cost grows with the square of the count, paid on remapping only. */
export function flatten(mapped: readonly MappedRegion[]): readonly FlatRange[] {
  const seen: FlatRange[] = [];
  for (let i = mapped.length - 1; i >= 0; i--) {
    const { base, region } = mapped[i] as MappedRegion;
    seen.push(...uncovered(seen, base, base + region.length).map((gap) => ({ ...gap, base, region })));
    seen.sort((a, b) => a.start - b.start);
  }
  return seen;
}

/** The gaps that `ranges` (ascending, disjoint) leave inside [start, end). */
function uncovered(
  ranges: readonly FlatRange[],
  start: number,
  end: number,
): { readonly start: number; readonly end: number }[] {
  const gaps: { start: number; end: number }[] = [];
  let at = start;
  for (const range of ranges) {
    if (range.end <= at) continue;
    if (range.start >= end) break;
    if (range.start > at) gaps.push({ start: at, end: range.start });
    at = range.end;
  }
  if (at < end) gaps.push({ start: at, end });
  return gaps;
}

/** The range that holds `addr`, by binary search. */
export function findRange(ranges: readonly FlatRange[], addr: number): FlatRange | undefined {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as FlatRange).end <= addr) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && addr >= range.start ? range : undefined;
}

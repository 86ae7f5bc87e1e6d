/**
 * Arithmetic of the HPET's 64-bit counts in halves of 32 bits, which is how its registers are read: doubles end at 2^53
 * and a bigint for every read of a clock source is garbage.
 */
export interface WideCount {
  low: number;
  high: number;
}

const TWO_32 = 2 ** 32;

/** `count` + `ticks` modulo 2^64 into `out`. @param ticks whole, 0 to 2^53 */
export function addTicks(count: WideCount, ticks: number, out: WideCount): void {
  const low = count.low + (ticks % TWO_32);
  out.low = low % TWO_32;
  out.high = (count.high + Math.floor(ticks / TWO_32) + (low >= TWO_32 ? 1 : 0)) % TWO_32;
}

/** Ticks from `from` up to `to`, around the end of 64 bits or, if not `wide`, of 32; rounded above 2^53. */
export function ticksUntil(from: WideCount, to: WideCount, wide: boolean): number {
  const low = to.low - from.low;
  if (!wide) return low < 0 ? low + TWO_32 : low;
  const high = to.high - from.high - (low < 0 ? 1 : 0);
  return (high < 0 ? high + TWO_32 : high) * TWO_32 + (low < 0 ? low + TWO_32 : low);
}

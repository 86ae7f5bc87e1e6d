// F2XM1. SDM vol. 2A, F2XM1.
import { type Approximation, exponentOf, nudged, type Real, TINY, toFixed, WORKING_BITS } from "./approximation.ts";
import { exponentialMinusOne, naturalLog2 } from "./series.ts";

/** 2^x - 1 for x from -1 to 1, not 0. */
export function powerOfTwoMinusOne(x: Real): Approximation {
  const size = -exponentOf(x);
  if (size > TINY) {
    const linear = { ...x, significand: x.significand * naturalLog2(WORKING_BITS), scale: x.scale + WORKING_BITS };
    return nudged(linear, !x.negative);
  }
  if (size === 0) return ofOne(x.negative);
  const scale = WORKING_BITS + size;
  const magnitude = (toFixed(x, scale) * naturalLog2(scale)) >> BigInt(scale);
  const result = exponentialMinusOne(x.negative ? -magnitude : magnitude, scale);
  return { negative: x.negative, significand: result < 0n ? -result : result, scale, exact: false };
}

/** 2^1 - 1 = 1, 2^-1 - 1 = -1/2. */
const ofOne = (negative: boolean): Approximation => ({
  negative,
  significand: 1n,
  scale: negative ? 1 : 0,
  exact: true,
});

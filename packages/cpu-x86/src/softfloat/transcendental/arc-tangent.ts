// FPATAN. SDM vol. 2A, FPATAN.
import {
  type Approximation,
  bitLength,
  exponentOf,
  nudged,
  type Real,
  TINY_ODD,
  toFixed,
  WORKING_BITS,
} from "./approximation.ts";
import { arcSeries, pi } from "./series.ts";

/** The multiples of pi / 4 that the special cases are: 1 to 4. */
export function quartersOfPi(count: number, negative: boolean): Approximation {
  return { negative, significand: BigInt(count) * pi(WORKING_BITS), scale: WORKING_BITS + 2, exact: false };
}

/** The angle of the point (x, y), neither of them 0. */
export function arcTangent(y: Real, x: Real): Approximation {
  const [top, bottom] = alignPair(y, x);
  const steep = top > bottom;
  const [small, large] = steep ? [bottom, top] : [top, bottom];
  const angle = arcTangentOfRatio(small, large);
  const { negative } = y;
  if (!steep && !x.negative) return { ...angle, negative };
  // pi/2 - angle, pi/2 + angle or pi - angle; in these the angle may be as small as it likes.
  const scale = Math.min(angle.scale, WORKING_BITS + TINY_ODD);
  const part = toFixed(angle, scale);
  const base = steep ? pi(scale) >> 1n : pi(scale);
  const significand = steep === x.negative ? base + part : base - part;
  return { negative, significand, scale, exact: false };
}

/** Both numbers as integers of the same scale, whose ratio is theirs. */
function alignPair(y: Real, x: Real): [bigint, bigint] {
  const scale = Math.max(y.scale, x.scale);
  return [toFixed(y, scale), toFixed(x, scale)];
}

/** Slices of the angles from 0 to pi/4 by their tangents: the middle one of each is taken off. */
const SLICES = 16n;
const sliceAngles: bigint[] = [0n];

/** The arc tangent of `small` / `large`, at most 1. */
function arcTangentOfRatio(small: bigint, large: bigint): Approximation {
  const ratio = ratioOf(small, large);
  const size = -exponentOf(ratio);
  if (size > TINY_ODD) return nudged(ratio, false);
  const slice = (2n * SLICES * small + large) / (2n * large);
  const scale = WORKING_BITS + (slice === 0n ? size : 0);
  const bits = BigInt(scale);
  // tan(a - b) = (tan a - tan b) / (1 + tan a tan b), with tan b = slice / SLICES.
  const argument = ((SLICES * small - slice * large) << bits) / (SLICES * large + slice * small);
  const angle = arcSeries(argument, scale, true) + sliceAngle(Number(slice));
  return { negative: false, significand: angle, scale, exact: false };
}

/** The arc tangent of slice / SLICES. */
function sliceAngle(slice: number): bigint {
  const known = sliceAngles[slice];
  if (known !== undefined) return known;
  // Each comes from the one before: their difference is small.
  const [a, b] = [BigInt(slice), BigInt(slice - 1)];
  const argument = (SLICES << BigInt(WORKING_BITS)) / (SLICES * SLICES + a * b);
  const angle = sliceAngle(slice - 1) + arcSeries(argument, WORKING_BITS, true);
  sliceAngles[slice] = angle;
  return angle;
}

/** The quotient to working precision. */
function ratioOf(small: bigint, large: bigint): Real {
  const scale = WORKING_BITS + bitLength(large) - bitLength(small);
  return { negative: false, significand: (small << BigInt(scale)) / large, scale };
}

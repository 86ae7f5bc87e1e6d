// FYL2X and FYL2XP1. SDM vol. 2A, the instruction of each name.
import {
  type Approximation,
  bitLength,
  exponentOf,
  fromInteger,
  nudged,
  type Real,
  TINY,
  WORKING_BITS,
} from "./approximation.ts";
import { arcSeries, naturalLog2 } from "./series.ts";

/** The logarithm to the base 2 of a positive x that is not 1. */
export function logarithm(x: Real): Approximation {
  const length = bitLength(x.significand);
  // x = m * 2^n with m from 3/4 to below 3/2, so that n is 0 where x is near 1.
  const isUpper = x.significand >> BigInt(length - 2) === 3n;
  const scale = isUpper ? length : length - 1;
  const n = scale - x.scale;
  const difference = x.significand - (1n << BigInt(scale));
  if (difference === 0n) return fromInteger(n);
  const fraction = { negative: difference < 0n, significand: difference < 0n ? -difference : difference, scale };
  const rest = logarithmOfOnePlus(fraction);
  if (n === 0) return rest;
  const whole = BigInt(n) << BigInt(rest.scale);
  const sum = rest.negative ? whole - rest.significand : whole + rest.significand;
  return { ...rest, negative: sum < 0n, significand: sum < 0n ? -sum : sum };
}

/** The logarithm to the base 2 of 1 + x for x above -1, not 0. */
export function logarithmOfOnePlus(x: Real): Approximation {
  const size = -exponentOf(x);
  if (size > TINY) return tinyLogarithm(x);
  const scale = WORKING_BITS + Math.max(size, 0);
  // Exact, so that 1 + x loses nothing: ln(1 + x) = 2 artanh(x / (2 + x)).
  const numerator = x.negative ? -x.significand : x.significand;
  const denominator = (2n << BigInt(x.scale)) + numerator;
  const argument = (numerator << BigInt(scale)) / denominator;
  const natural = 2n * arcSeries(argument, scale, false);
  const result = ((natural < 0n ? -natural : natural) << BigInt(scale)) / naturalLog2(scale);
  return { negative: x.negative, significand: result, scale, exact: false };
}

/** x / ln 2, and a little less of it where x is positive. */
function tinyLogarithm(x: Real): Approximation {
  const bits = BigInt(2 * WORKING_BITS);
  const inverse = (1n << bits) / naturalLog2(WORKING_BITS);
  return nudged({ ...x, significand: x.significand * inverse, scale: x.scale + WORKING_BITS }, x.negative);
}

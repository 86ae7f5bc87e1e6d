// FSIN FCOS FSINCOS FPTAN. SDM vol. 2A, the instruction of each name; vol. 1, "Approximation of Pi".
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
import { sineAndCosine } from "./series.ts";

/** Half of the pi that processors divide arguments by: 66 bits, whatever the true one is. */
const HALF_PI = { significand: 0x3_243f_6a88_85a3_08d3n, scale: 65 } as const;
const ONE: Approximation = { negative: false, significand: 1n, scale: 0, exact: true };

/** Sine and cosine of x, |x| < 2^63, not 0. */
export function sineCosine(x: Real): { readonly sine: Approximation; readonly cosine: Approximation } {
  const { rest, quadrant } = reduce(x);
  const { sine, cosine } = nearZero(rest);
  const turned = (value: Approximation, negate: boolean): Approximation => ({
    ...value,
    negative: value.negative !== negate,
  });
  const [first, second] = [quadrant >= 2, quadrant === 1 || quadrant === 2];
  const odd = (quadrant & 1) !== 0;
  return {
    sine: turned(odd ? cosine : sine, first),
    cosine: turned(odd ? sine : cosine, second),
  };
}

/** The tangent of x, |x| < 2^63, not 0. */
export function tangent(x: Real): Approximation {
  if (-exponentOf(x) > TINY_ODD) return nudged(x, true);
  const { sine, cosine } = sineCosine(x);
  // As many bits in the quotient as it takes whichever of the two is longer.
  const spare = bitLength(cosine.significand) - bitLength(sine.significand);
  const shift = WORKING_BITS + Math.max(spare, 0);
  return {
    negative: sine.negative !== cosine.negative,
    significand: (sine.significand << BigInt(shift)) / cosine.significand,
    scale: shift + sine.scale - cosine.scale,
    exact: false,
  };
}

/** x less the nearest multiple of pi/2, exactly, and which one modulo 4. It is never 0: multiples need 66 bits. */
function reduce(x: Real): { rest: Real; quadrant: number } {
  const scale = Math.max(x.scale, HALF_PI.scale);
  const half = HALF_PI.significand << BigInt(scale - HALF_PI.scale);
  const magnitude = toFixed(x, scale);
  const times = (2n * magnitude + half) / (2n * half);
  const rest = magnitude - times * half;
  const quadrant = Number(times & 3n);
  return {
    rest: { negative: rest < 0n !== x.negative, significand: rest < 0n ? -rest : rest, scale },
    quadrant: x.negative ? (4 - quadrant) & 3 : quadrant,
  };
}

/** Sine and cosine for |x| up to pi/4. */
function nearZero(x: Real): { sine: Approximation; cosine: Approximation } {
  const size = -exponentOf(x);
  if (size > TINY_ODD) return { sine: nudged(x, false), cosine: nudged(ONE, false) };
  const scale = WORKING_BITS + size;
  const { sine, cosine } = sineAndCosine(toFixed(x, scale), scale);
  return {
    sine: { negative: x.negative, significand: sine, scale, exact: false },
    cosine: { negative: false, significand: cosine, scale, exact: false },
  };
}

// The eight transcendental functions with their special operands. SDM vol. 2A, the tables of F2XM1, FPATAN, FYL2X,
// FYL2XP1 and the text of FSIN and its like. What the manual leaves undefined is as on AMD's processors.
import { type Approximation, exponentOf, fromInteger, product, type Real } from "./approximation.ts";
import { arcTangent, quartersOfPi } from "./arc-tangent.ts";
import { powerOfTwoMinusOne } from "./exponential.ts";
import { logarithm, logarithmOfOnePlus } from "./logarithm.ts";
import { sineCosine, tangent } from "./trigonometric.ts";

/** An operand that is no NaN: a zero has the significand 0. */
export interface Operand extends Real {
  readonly infinite: boolean;
}

/** What a function gives. */
export type Outcome =
  /** To be rounded; a significand of 0 is a zero. */
  | { readonly kind: "number"; readonly value: Approximation }
  | { readonly kind: "infinity"; readonly negative: boolean }
  | { readonly kind: "invalid" }
  /** ZE, and an infinity. */
  | { readonly kind: "zero-divide"; readonly negative: boolean }
  /** Too great to be reduced: C2. */
  | { readonly kind: "out-of-range" };

const INVALID: Outcome = { kind: "invalid" };
const OUT_OF_RANGE: Outcome = { kind: "out-of-range" };
const number = (value: Approximation): Outcome => ({ kind: "number", value });
const infinity = (negative: boolean): Outcome => ({ kind: "infinity", negative });
const zero = (negative: boolean): Outcome => number({ negative, significand: 0n, scale: 0, exact: true });
const isZero = ({ significand, infinite }: Operand): boolean => significand === 0n && !infinite;
/** The operand itself. */
const same = (x: Operand, exact: boolean): Outcome => number({ ...x, exact });

/** The exponent from which FSIN and its like give up. */
const REDUCTION_LIMIT = 63;

/** A function of an angle: nothing of infinities, its own value at 0, C2 from 2^63 up. */
function ofAngle(x: Operand, atZero: () => Outcome, compute: () => Approximation): Outcome {
  if (x.infinite) return INVALID;
  if (isZero(x)) return atZero();
  return exponentOf(x) >= REDUCTION_LIMIT ? OUT_OF_RANGE : number(compute());
}

export const sine = (x: Operand): Outcome =>
  ofAngle(
    x,
    () => same(x, true),
    () => sineCosine(x).sine,
  );
export const cosine = (x: Operand): Outcome =>
  ofAngle(
    x,
    () => number(fromInteger(1)),
    () => sineCosine(x).cosine,
  );
export const tan = (x: Operand): Outcome =>
  ofAngle(
    x,
    () => same(x, true),
    () => tangent(x),
  );

/** 2^x - 1; beyond 1 x itself, as if it had been computed. */
export function exponential(x: Operand): Outcome {
  if (x.infinite) return x.negative ? number(fromInteger(-1)) : infinity(false);
  if (isZero(x)) return same(x, true);
  const exponent = exponentOf(x);
  const isOne = exponent === 0 && (x.significand & (x.significand - 1n)) === 0n;
  return exponent >= 0 && !isOne ? same(x, false) : number(powerOfTwoMinusOne(x));
}

/** The angle of the point (x, y). */
export function angle(x: Operand, y: Operand): Outcome {
  const quarters = (count: number): Outcome => number(quartersOfPi(count, y.negative));
  if (y.infinite) return quarters(x.infinite ? (x.negative ? 3 : 1) : 2);
  if (isZero(y) || x.infinite) return x.negative ? quarters(4) : zero(y.negative);
  if (isZero(x)) return quarters(2);
  return number(arcTangent(y, x));
}

/** y * log2(x). */
export function scaledLogarithm(x: Operand, y: Operand): Outcome {
  if (isZero(x)) {
    if (isZero(y)) return INVALID;
    return y.infinite ? infinity(!y.negative) : { kind: "zero-divide", negative: !y.negative };
  }
  if (x.negative) return INVALID;
  if (x.infinite) return isZero(y) ? INVALID : infinity(y.negative);
  return timesLogarithm(logarithm(x), y);
}

/** y * log2(x + 1); from -1 down x itself, as if it had been computed. */
export function scaledLogarithmOfOnePlus(x: Operand, y: Operand): Outcome {
  if (x.infinite) return x.negative || isZero(y) ? INVALID : infinity(y.negative);
  if (isZero(x)) return timesLogarithm({ ...x, exact: true }, y);
  const exponent = exponentOf(x);
  if (exponent < -1) return timesLogarithm(logarithmOfOnePlus(x), y);
  if (isZero(y)) return zero(x.negative !== y.negative);
  if (y.infinite) return infinity(x.negative !== y.negative);
  return x.negative && exponent >= 0 ? same(x, false) : timesLogarithm(logarithm(onePlus(x)), y);
}

function timesLogarithm(value: Approximation, y: Operand): Outcome {
  const negative = value.negative !== y.negative;
  if (y.infinite) return value.significand === 0n ? INVALID : infinity(negative);
  if (isZero(y) || value.significand === 0n) return zero(negative);
  return number(product(value, { ...y, exact: true }));
}

/** 1 + x for x from 1/2 up, or from -1 to -1/2. */
function onePlus({ negative, significand, scale }: Real): Real {
  const shift = Math.max(-scale, 0);
  const one = 1n << BigInt(scale + shift);
  const shifted = significand << BigInt(shift);
  return { negative: false, significand: negative ? one - shifted : one + shifted, scale: scale + shift };
}

// Numbers on their way through the transcendental functions: bigint fixed point with enough bits that rounding the
// result once is rounding the true value, except one time in some billions. Processors themselves are right in all but
// one of a hundred cases, and by less than one unit in the last place.

/** Bits that intermediate results are good for: those of a result, and these beyond. */
export const WORKING_BITS = 112;
/** Below 2^-TINY a function that differs from a multiple of x by terms of x^2 does so beyond WORKING_BITS: out of sight. */
export const TINY = 112;
/** The same of odd functions, which differ by terms of x^3: x^2 is what counts beside 1. */
export const TINY_ODD = WORKING_BITS / 2 - 4;

/** A finite number: (-1)^negative * significand * 2^-scale. */
export interface Real {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly scale: number;
}

/** The result of a function; `exact` unless more digits would follow. */
export interface Approximation extends Real {
  readonly exact: boolean;
}

/** Bits of a positive integer. */
export function bitLength(value: bigint): number {
  const text = value.toString(16);
  return text.length * 4 - LEADING_ZEROS[Number.parseInt(text[0] as string, 16)]!;
}
const LEADING_ZEROS = [4, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0] as const;

/** The exponent of a number: it is at least 2^n and less than 2^(n + 1). */
export const exponentOf = ({ significand, scale }: Real): number => bitLength(significand) - 1 - scale;

/** The magnitude with `scale` bits behind the point, cut off below. */
export function toFixed({ significand, scale: have }: Real, scale: number): bigint {
  return scale >= have ? significand << BigInt(scale - have) : significand >> BigInt(have - scale);
}

/** `x` and a little more, or a little less: a result that differs from x far below its last bit. */
export function nudged({ negative, significand, scale }: Real, grows: boolean): Approximation {
  const far = BigInt(WORKING_BITS);
  const moved = (significand << far) + (grows ? 1n : -1n);
  return { negative, significand: moved, scale: scale + WORKING_BITS, exact: false };
}

/** x * y. */
export function product(x: Approximation, y: Approximation): Approximation {
  return {
    negative: x.negative !== y.negative,
    significand: x.significand * y.significand,
    scale: x.scale + y.scale,
    exact: x.exact && y.exact,
  };
}

/** Integer n as a number. */
export const fromInteger = (n: number): Approximation => ({
  negative: n < 0,
  significand: BigInt(Math.abs(n)),
  scale: 0,
  exact: true,
});

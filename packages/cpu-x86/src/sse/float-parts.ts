// Exponents and significands apart, and what AVX-512 has beside arithmetic: scaling, rounding to fractions, fixing up special
// values, approximations. SDM vol. 2C, VGETEXPPS, VGETMANTPS, VSCALEFPS, VRNDSCALEPS, VFIXUPIMMPS, VRCP14PS, VRSQRT14PS.
import { fromInteger } from "./float-convert.ts";
import {
  type FloatContext,
  type FloatFormat,
  infinite,
  invalid,
  isNan,
  MXCSR,
  noteDenormals,
  propagateNaN,
  type Rounding,
  type Unpacked,
  unpack,
  zero,
} from "./float-format.ts";
import { bitLength, roundPack, roundShift } from "./float-round.ts";

/** The exponent of a number as a float; of zero minus infinity. */
export function getExponent(context: FloatContext, format: FloatFormat, bits: bigint): bigint {
  const x = unpack(context, format, bits);
  if (isNan(x)) return propagateNaN(context, format, x);
  if (x.kind === "infinity") return format.infinity;
  if (x.kind === "zero") return infinite(format, true);
  noteDenormals(context, x);
  return fromInteger(context, format, BigInt(exponentOf(x)));
}

/** Of the leading 1 of a number that is finite and not 0. */
const exponentOf = ({ significand, exponent }: Unpacked): number => exponent + bitLength(significand) - 1;

/**
 * The significand of a number. Bits 1:0 of the immediate choose the interval: [1, 2), [1/2, 2) with an even exponent left,
 * [1/2, 1) or [3/4, 3/2); bits 3:2 the sign: the number's, none, or none and negative numbers are invalid.
 */
export function getMantissa(context: FloatContext, format: FloatFormat, bits: bigint, immediate: number): bigint {
  const x = unpack(context, format, bits);
  if (isNan(x)) return propagateNaN(context, format, x);
  const refusesNegative = (immediate & 8) !== 0 && x.negative && x.kind !== "zero";
  if (refusesNegative) return invalid(context, format);
  const sign = x.negative && (immediate & 4) === 0 ? format.sign : 0n;
  const one = BigInt(format.bias) << BigInt(format.fraction);
  if (x.kind === "infinity" || x.kind === "zero") return sign | one;
  noteDenormals(context, x);
  const fraction = (x.significand << BigInt(format.fraction + 1 - bitLength(x.significand))) & (format.quiet * 2n - 1n);
  const halved = isHalved(immediate & 3, exponentOf(x), (fraction & format.quiet) !== 0n);
  return sign | (one - (halved ? 1n << BigInt(format.fraction) : 0n)) | fraction;
}

function isHalved(interval: number, exponent: number, upperHalf: boolean): boolean {
  if (interval === 1) return (exponent & 1) !== 0;
  return interval === 2 || (interval === 3 && upperHalf);
}

/** Exponents this large leave nothing of any number. */
const FAR = 5000;

/** x times 2 to the power of y rounded down. SDM vol. 2C, VSCALEFPS: "Denormal is not reported for Src2". */
export function scale(context: FloatContext, format: FloatFormat, x: bigint, y: bigint): bigint {
  const [a, c] = [unpack(context, format, x), unpack(context, format, y)];
  if (isNan(c) || isNan(a)) return scaleNaN(context, format, a, c);
  const beyond = c.kind === "infinity";
  if (a.kind === "infinity") return beyond && c.negative ? invalid(context, format) : a.bits;
  if (a.kind === "zero") return beyond && !c.negative ? invalid(context, format) : a.bits;
  noteDenormals(context, a);
  if (beyond) return c.negative ? zero(format, a.negative) : infinite(format, a.negative);
  if (c.kind === "zero") return roundPack(context, format, a.negative, a.significand, a.exponent);
  return roundPack(context, format, a.negative, a.significand, a.exponent + powerOf(c));
}

/** A quiet NaN times 2 to an infinite power is 0 or infinity, SDM vol. 2C, VSCALEFPS, "Special Cases". */
function scaleNaN(context: FloatContext, format: FloatFormat, a: Unpacked, c: Unpacked): bigint {
  if (a.kind === "quiet" && c.kind === "infinity") return c.negative ? 0n : format.infinity;
  return propagateNaN(context, format, a, c);
}

/** A number rounded down, as far as it matters. */
function powerOf({ significand, exponent, negative }: Unpacked): number {
  if (exponent + bitLength(significand) > 20) return negative ? -FAR : FAR;
  const whole = Number(exponent >= 0 ? significand << BigInt(exponent) : significand >> BigInt(-exponent));
  const exact = exponent >= 0 || (significand & ((1n << BigInt(-exponent)) - 1n)) === 0n;
  return Math.max(-FAR, Math.min(FAR, negative ? -whole - (exact ? 0 : 1) : whole));
}

/**
 * Rounds to a multiple of 2^-M, M in bits 7:4 of the immediate. Bits 1:0 choose the rounding as MXCSR.RC does, bit 2 leaves it to
 * MXCSR, bit 3 hides PE.
 */
export function roundScale(context: FloatContext, format: FloatFormat, bits: bigint, immediate: number): bigint {
  const x = unpack(context, format, bits);
  if (isNan(x)) return propagateNaN(context, format, x);
  const places = immediate >> 4;
  if (x.kind === "infinity" || x.kind === "zero" || x.exponent + places >= 0) return x.bits;
  const rounding = (immediate & 4) !== 0 ? context.rounding : ((immediate & 3) as Rounding);
  const { quotient, inexact } = roundShift(x.significand, -x.exponent - places, x.negative, rounding);
  if (inexact && (immediate & 8) === 0) context.exceptions |= MXCSR.PE;
  if (quotient === 0n) return zero(format, x.negative);
  return roundPack(context, format, x.negative, quotient, -places);
}

/** What a number may be to VFIXUPIMM, as positions in its table. */
const TOKEN = {
  quiet: 0,
  signaling: 1,
  zero: 2,
  one: 3,
  negativeInfinity: 4,
  infinity: 5,
  negative: 6,
  positive: 7,
} as const;

/** Bits of the immediate that make tokens exceptions: IE, and ZE. */
const FIXUP_INVALID: readonly number[] = [0, 0x10, 0x02, 0x08, 0x20, 0x80, 0x40, 0];
const FIXUP_ZERO: readonly number[] = [0, 0, 0x01, 0x04, 0, 0, 0, 0];

function tokenOf(format: FloatFormat, { kind, negative, bits }: Unpacked): number {
  if (kind === "quiet" || kind === "signaling" || kind === "zero") return TOKEN[kind];
  if (kind === "infinity") return negative ? TOKEN.negativeInfinity : TOKEN.infinity;
  if (bits === BigInt(format.bias) << BigInt(format.fraction)) return TOKEN.one;
  return negative ? TOKEN.negative : TOKEN.positive;
}

/** Replaces y by what its kind's four bits of `table` say; `x` is what was in the destination. */
export function fixUp(
  context: FloatContext,
  format: FloatFormat,
  x: bigint,
  y: bigint,
  immediate: number,
  table: bigint,
): bigint {
  const value = unpack(context, format, y);
  const token = tokenOf(format, value);
  if ((immediate & (FIXUP_INVALID[token] as number)) !== 0) context.exceptions |= MXCSR.IE;
  if ((immediate & (FIXUP_ZERO[token] as number)) !== 0) context.exceptions |= MXCSR.ZE;
  return responseOf(format, Number((table >> BigInt(token * 4)) & 15n), x, value);
}

/** SDM vol. 2C, VFIXUPIMMPS, "Fixup Response". */
function responseOf(format: FloatFormat, response: number, x: bigint, { bits, negative, kind }: Unpacked): bigint {
  switch (response) {
    case 0:
      return x;
    case 1:
      return bits;
    case 2:
      return kind === "quiet" || kind === "signaling" ? bits | format.quiet : bits | format.infinity | format.quiet;
    case 3:
      return format.indefinite;
    case 6:
      return infinite(format, negative);
    case 14:
      return format.infinity - 1n;
    case 15:
      return infinite(format, true) - 1n;
    default:
      return bitsOf(format, FIXED_RESPONSES[response] as number);
  }
}

const FIXED_RESPONSES: Readonly<Record<number, number>> = {
  4: Number.NEGATIVE_INFINITY,
  5: Number.POSITIVE_INFINITY,
  7: -0,
  8: 0,
  9: -1,
  10: 1,
  11: 0.5,
  12: 90,
  13: Math.PI / 2,
};

const view = new DataView(new ArrayBuffer(8));

function bitsOf({ bits }: FloatFormat, value: number): bigint {
  if (bits === 64) view.setFloat64(0, value);
  else view.setFloat32(0, value);
  return bits === 64 ? view.getBigUint64(0) : BigInt(view.getUint32(0));
}

function numberOf({ bits }: FloatFormat, value: bigint): number {
  if (bits === 64) view.setBigUint64(0, value);
  else view.setUint32(0, Number(value));
  return bits === 64 ? view.getFloat64(0) : view.getFloat32(0);
}

/**
 * 1 / x and 1 / sqrt(x). The manual bounds the relative error by 2^-14 and Intel's processors have tables of their own; ours are
 * the nearest numbers. Nothing is signaled; MXCSR.DAZ and FZ count.
 */
const approximation =
  (compute: (x: number) => number) =>
  (context: FloatContext, format: FloatFormat, bits: bigint): bigint => {
    const x = unpack(context, format, bits);
    if (isNan(x)) return x.bits | format.quiet;
    const value = compute(numberOf(format, x.bits));
    if (Number.isNaN(value)) return format.indefinite;
    const result = bitsOf(format, value);
    const tiny = (result & format.infinity) === 0n;
    return tiny && context.flushToZero ? result & format.sign : result;
  };

export const reciprocal: (context: FloatContext, format: FloatFormat, bits: bigint) => bigint = approximation(
  (x) => 1 / x,
);
/** Of -0 it is minus infinity. */
export const reciprocalRoot: (context: FloatContext, format: FloatFormat, bits: bigint) => bigint = approximation(
  (x) => (x === 0 ? 1 / x : 1 / Math.sqrt(x)),
);

/** A float as an unsigned integer of `width` bits; all ones, with IE, if it does not fit. Negative numbers that round to 0 do. */
export function toUnsigned(
  context: FloatContext,
  format: FloatFormat,
  bits: bigint,
  width: 32 | 64,
  rounding: Rounding,
): bigint {
  const x = unpack(context, format, bits);
  const finite = !isNan(x) && x.kind !== "infinity";
  const { quotient, inexact } = roundShift(x.significand, -x.exponent, x.negative, rounding);
  if (!finite || (x.negative && quotient !== 0n) || quotient >> BigInt(width) !== 0n) {
    context.exceptions |= MXCSR.IE;
    return (1n << BigInt(width)) - 1n;
  }
  if (inexact) context.exceptions |= MXCSR.PE;
  return quotient;
}

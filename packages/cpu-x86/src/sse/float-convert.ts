// Conversions between formats and to and from integers, and rounding to integral values.
// SDM vol. 2A, the CVT instructions; vol. 2B, ROUNDPS.
import {
  type FloatContext,
  type FloatFormat,
  HALF,
  isNan,
  MXCSR,
  noteDenormals,
  propagateNaN,
  type Rounding,
  SINGLE,
  unpack,
  zero,
} from "./float-format.ts";
import { roundPack, roundShift } from "./float-round.ts";

/** A number of one format in the other. NaNs keep the upper bits of their payload. */
export function convertFormat(context: FloatContext, from: FloatFormat, to: FloatFormat, bits: bigint): bigint {
  const x = unpack(context, from, bits);
  const negative = x.negative ? to.sign : 0n;
  if (isNan(x)) {
    const fraction = propagateNaN(context, from, x) & (from.quiet * 2n - 1n);
    const shift = BigInt(Math.abs(to.fraction - from.fraction));
    return negative | to.infinity | (to.fraction > from.fraction ? fraction << shift : fraction >> shift);
  }
  noteDenormals(context, x);
  if (x.kind === "infinity") return negative | to.infinity;
  if (x.kind === "zero") return negative;
  return roundPack(context, to, x.negative, x.significand, x.exponent);
}

/** A half as a single: always exact, and denormals are neither zeros nor exceptions. SDM vol. 2C, VCVTPH2PS. */
export function convertHalf(context: FloatContext, bits: bigint): bigint {
  const plain = { ...context, denormalsAreZero: false, exceptions: 0 };
  const result = convertFormat(plain, HALF, SINGLE, bits);
  context.exceptions |= plain.exceptions & MXCSR.IE;
  return result;
}

/** A single as a half. MXCSR.FZ does not matter. SDM vol. 2C, VCVTPS2PH. */
export function convertToHalf(context: FloatContext, bits: bigint, rounding: Rounding): bigint {
  const own = { ...context, rounding, flushToZero: false };
  const result = convertFormat(own, SINGLE, HALF, bits);
  context.exceptions = own.exceptions;
  return result;
}

/** An integer as a float. */
export function fromInteger(context: FloatContext, format: FloatFormat, value: bigint): bigint {
  if (value === 0n) return 0n;
  return roundPack(context, format, value < 0n, value < 0n ? -value : value, 0);
}

/** A float as a signed integer of `width` bits, or the integer indefinite value. Denormals are no exception here. */
export function toInteger(
  context: FloatContext,
  format: FloatFormat,
  bits: bigint,
  width: 32 | 64,
  rounding: Rounding,
): bigint {
  const x = unpack(context, format, bits);
  const limit = 1n << BigInt(width - 1);
  const finite = !isNan(x) && x.kind !== "infinity";
  const { quotient, inexact } = roundShift(x.significand, -x.exponent, x.negative, rounding);
  if (!finite || quotient > limit || (quotient === limit && !x.negative)) {
    context.exceptions |= MXCSR.IE;
    return limit;
  }
  if (inexact) context.exceptions |= MXCSR.PE;
  return BigInt.asUintN(width, x.negative ? -quotient : quotient);
}

/** The integral value next to a float in the rounding mode, as a float. Denormals are no exception here. */
export function roundToIntegral(
  context: FloatContext,
  format: FloatFormat,
  bits: bigint,
  rounding: Rounding,
  quietly: boolean,
): bigint {
  const x = unpack(context, format, bits);
  if (isNan(x)) return propagateNaN(context, format, x);
  if (x.kind === "infinity" || x.kind === "zero" || x.exponent >= 0) return x.bits;
  const { quotient, inexact } = roundShift(x.significand, -x.exponent, x.negative, rounding);
  if (inexact && !quietly) context.exceptions |= MXCSR.PE;
  if (quotient === 0n) return zero(format, x.negative);
  return roundPack(context, format, x.negative, quotient, 0);
}

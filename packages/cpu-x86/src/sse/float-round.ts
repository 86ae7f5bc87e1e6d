// Rounding of exact values to a format, and of values to integers.
import { type FloatContext, type FloatFormat, infinite, MXCSR, ROUND, type Rounding, zero } from "./float-format.ts";

/** Number of bits up to the leading 1. */
export function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0] as string, 16)) + 28;
}

/** Integer part of `value` / 2^shift by a rounding mode, and whether anything was lost. */
export function roundShift(
  value: bigint,
  shift: number,
  negative: boolean,
  rounding: Rounding,
): { quotient: bigint; inexact: boolean } {
  if (shift <= 0) return { quotient: value << BigInt(-shift), inexact: false };
  const quotient = value >> BigInt(shift);
  const rest = value - (quotient << BigInt(shift));
  if (rest === 0n) return { quotient, inexact: false };
  const half = 1n << BigInt(shift - 1);
  const up =
    rounding === ROUND.nearest
      ? rest > half || (rest === half && (quotient & 1n) === 1n)
      : rounding === (negative ? ROUND.down : ROUND.up);
  return { quotient: up ? quotient + 1n : quotient, inexact: true };
}

/**
 * The number of `format` nearest to (-1)^negative * significand * 2^exponent in the rounding mode, with OE, UE and PE.
 * @param significand not 0. One that was cut has its lowest bit set and at least two bits more than the format.
 */
export function roundPack(
  context: FloatContext,
  format: FloatFormat,
  negative: boolean,
  significand: bigint,
  exponent: number,
): bigint {
  const length = bitLength(significand);
  const leading = exponent + length - 1;
  const precision = format.fraction + 1;
  // Numbers below the smallest normal one all have its last place.
  const shift = leading >= format.minExponent ? length - precision : format.minExponent - format.fraction - exponent;
  const { quotient, inexact } = roundShift(significand, shift, negative, context.rounding);
  if (leading < format.minExponent) {
    const flushed = underflow(context, format, negative, { significand, exponent, length, inexact });
    if (flushed !== undefined) return flushed;
  }
  const biased = Math.max(leading, format.minExponent) + format.bias;
  // The leading 1 adds itself to the exponent; so does a carry out of the fraction.
  const magnitude = (BigInt(biased - 1) << BigInt(format.fraction)) + quotient;
  if (magnitude >= format.infinity) return overflow(context, format, negative, inexact);
  if (inexact) context.exceptions |= MXCSR.PE;
  return negative ? magnitude | format.sign : magnitude;
}

/** Below the normal numbers before rounding. @returns the result if it is flushed, or never written because of #XM. */
function underflow(
  context: FloatContext,
  format: FloatFormat,
  negative: boolean,
  value: { significand: bigint; exponent: number; length: number; inexact: boolean },
): bigint | undefined {
  // Tininess is detected after rounding as if the exponent had no bounds.
  const shift = value.length - format.fraction - 1;
  const unbounded = roundShift(value.significand, shift, negative, context.rounding);
  const tiny = value.exponent + shift + bitLength(unbounded.quotient) - 1 < format.minExponent;
  if (!tiny) return undefined;
  if (!context.underflowMasked) {
    // The handler would be given the unbounded result: PE tells whether that one is exact.
    context.exceptions |= unbounded.inexact ? MXCSR.UE | MXCSR.PE : MXCSR.UE;
    return zero(format, negative);
  }
  if (context.flushToZero) {
    context.exceptions |= MXCSR.UE | MXCSR.PE;
    return zero(format, negative);
  }
  if (value.inexact) context.exceptions |= MXCSR.UE;
  return undefined;
}

/** SDM vol. 1, "Masked Responses to Numeric Overflow". */
function overflow(context: FloatContext, format: FloatFormat, negative: boolean, inexact: boolean): bigint {
  context.exceptions |= MXCSR.OE;
  if (inexact || context.overflowMasked) context.exceptions |= MXCSR.PE;
  const { rounding } = context;
  const away = rounding === ROUND.nearest || rounding === (negative ? ROUND.down : ROUND.up);
  return infinite(format, negative) - (away ? 0n : 1n);
}

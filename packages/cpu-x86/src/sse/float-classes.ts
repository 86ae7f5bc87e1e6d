// Ranges, reduced arguments and classes of numbers: AVX512DQ. SDM vol. 2C, VRANGEPS, VREDUCEPS, VFPCLASSPS.
import { subtract } from "./float-arithmetic.ts";
import {
  type FloatContext,
  type FloatFormat,
  MXCSR,
  propagateNaN,
  ROUND,
  type Rounding,
  type Unpacked,
  unpack,
} from "./float-format.ts";
import { roundScale } from "./float-parts.ts";

/**
 * The lesser or greater number, by value or magnitude (bits 1:0 of the immediate), with the sign of the first source, its own, none
 * or the minus sign (bits 3:2). A quiet NaN loses against a number.
 */
export function range(context: FloatContext, format: FloatFormat, x: bigint, y: bigint, immediate: number): bigint {
  const [a, c] = [unpack(context, format, x), unpack(context, format, y)];
  const signaling = [a, c].find(({ kind }) => kind === "signaling");
  if (signaling !== undefined) return propagateNaN(context, format, signaling);
  if (a.kind !== "quiet" && c.kind !== "quiet" && (a.kind === "denormal" || c.kind === "denormal"))
    context.exceptions |= MXCSR.DE;
  const chosen = c.kind === "quiet" ? a : a.kind === "quiet" ? c : chooseOf(format, a, c, immediate);
  const magnitude = chosen.bits & ~format.sign;
  switch ((immediate >> 2) & 3) {
    case 0:
      return magnitude | (a.bits & format.sign);
    case 1:
      return chosen.bits;
    case 2:
      return magnitude;
    default:
      return magnitude | format.sign;
  }
}

/** Of equal magnitudes the negative one is the lesser, also of zeros. */
function chooseOf({ sign }: FloatFormat, a: Unpacked, c: Unpacked, immediate: number): Unpacked {
  const magnitude = ({ bits }: Unpacked): bigint => bits & ~sign;
  const signed = (x: Unpacked): bigint => (x.negative ? -magnitude(x) * 2n - 1n : magnitude(x) * 2n);
  const byMagnitude = (immediate & 2) !== 0 && magnitude(a) !== magnitude(c);
  const less = byMagnitude ? magnitude(a) < magnitude(c) : signed(a) < signed(c);
  return less === ((immediate & 1) === 0) ? a : c;
}

/**
 * What VRNDSCALE with the same immediate takes away. That it takes something away is not reported, only that the rest is inexact: SDM vol. 2C,
 * "VREDUCEPS", leaves it open ("might end up with a precision exception set"), an AMD EPYC has it so.
 */
export function reduce(context: FloatContext, format: FloatFormat, bits: bigint, immediate: number): bigint {
  const x = unpack(context, format, bits);
  if (x.kind === "infinity") return 0n;
  if (x.kind === "quiet" || x.kind === "signaling") return propagateNaN(context, format, x);
  const rounding = (immediate & 4) !== 0 ? context.rounding : ((immediate & 3) as Rounding);
  const own = { ...context, rounding, underflowMasked: true, exceptions: 0 };
  const whole = roundScale({ ...own }, format, x.bits, immediate);
  const rest = subtract(own, format, x.bits, whole);
  if ((immediate & 8) === 0) context.exceptions |= own.exceptions & MXCSR.PE;
  // A rest that is flushed to zero keeps its sign.
  if (whole !== x.bits) return rest;
  return rounding === ROUND.down ? format.sign : 0n;
}

/** All ones if a number is of one of the classes that the immediate has bits for, else 0. */
export function classify(context: FloatContext, format: FloatFormat, bits: bigint, immediate: number): bigint {
  const { kind, negative } = unpack(context, format, bits);
  const finite = kind === "normal" || kind === "denormal";
  const classes =
    (kind === "quiet" ? 1 : 0) |
    (kind === "zero" ? (negative ? 4 : 2) : 0) |
    (kind === "infinity" ? (negative ? 16 : 8) : 0) |
    (kind === "denormal" ? 32 : 0) |
    (finite && negative ? 64 : 0) |
    (kind === "signaling" ? 128 : 0);
  return (classes & immediate) !== 0 ? (1n << BigInt(format.bits)) - 1n : 0n;
}

// Addition, subtraction, multiplication, division and square root, exactly and then rounded once.
import {
  type FloatContext,
  type FloatFormat,
  infinite,
  invalid,
  isNan,
  MXCSR,
  noteDenormals,
  propagateNaN,
  ROUND,
  type Unpacked,
  unpack,
  zero,
} from "./float-format.ts";
import { bitLength, roundPack } from "./float-round.ts";

/** An operation on numbers as bits; results and exceptions are those of the SSE instruction. */
export type BinaryOperation = (context: FloatContext, format: FloatFormat, x: bigint, y: bigint) => bigint;

/** x + y. */
export const add: BinaryOperation = (context, format, x, y) => sum(context, format, x, y, false);

/** x - y. A NaN in y keeps its sign. */
export const subtract: BinaryOperation = (context, format, x, y) => sum(context, format, x, y, true);

function sum(context: FloatContext, format: FloatFormat, x: bigint, y: bigint, subtracts: boolean): bigint {
  const a = unpack(context, format, x);
  const c = unpack(context, format, y);
  if (isNan(a) || isNan(c)) return propagateNaN(context, format, a, c);
  const negative = c.negative !== subtracts;
  if (a.kind === "infinity" && c.kind === "infinity" && a.negative !== negative) return invalid(context, format);
  noteDenormals(context, a, c);
  if (a.kind === "infinity") return a.bits;
  if (c.kind === "infinity") return infinite(format, negative);
  const exponent = Math.min(a.exponent, c.exponent);
  const total = signed(a, a.negative, exponent) + signed(c, negative, exponent);
  if (total !== 0n) return roundPack(context, format, total < 0n, total < 0n ? -total : total, exponent);
  // Zeros of one sign keep it; everything else that cancels is +0, but -0 when rounding down.
  if (a.kind === "zero" && c.kind === "zero" && a.negative === negative) return zero(format, negative);
  return zero(format, context.rounding === ROUND.down);
}

/** Significand with its sign, in units of 2^exponent. */
function signed(x: Unpacked, negative: boolean, exponent: number): bigint {
  const value = x.significand << BigInt(x.kind === "zero" ? 0 : x.exponent - exponent);
  return negative ? -value : value;
}

/** x * y. */
export const multiply: BinaryOperation = (context, format, x, y) => {
  const a = unpack(context, format, x);
  const c = unpack(context, format, y);
  if (isNan(a) || isNan(c)) return propagateNaN(context, format, a, c);
  const infinity = a.kind === "infinity" || c.kind === "infinity";
  const vanishes = a.kind === "zero" || c.kind === "zero";
  if (infinity && vanishes) return invalid(context, format);
  noteDenormals(context, a, c);
  const negative = a.negative !== c.negative;
  if (infinity) return infinite(format, negative);
  if (vanishes) return zero(format, negative);
  return roundPack(context, format, negative, a.significand * c.significand, a.exponent + c.exponent);
};

/** Which parts of x * y + z are negated. */
export interface FusedSigns {
  readonly product: boolean;
  readonly addend: boolean;
}

/** x * y + z, rounded once. The NaN that passes is that of x, y or z, in this order, and keeps its sign. */
export function multiplyAdd(
  context: FloatContext,
  format: FloatFormat,
  x: bigint,
  y: bigint,
  z: bigint,
  signs: FusedSigns,
): bigint {
  const [a, c, d] = [unpack(context, format, x), unpack(context, format, y), unpack(context, format, z)];
  const infinity = a.kind === "infinity" || c.kind === "infinity";
  const vanishes = a.kind === "zero" || c.kind === "zero";
  if (isNan(a) || isNan(c) || isNan(d)) return propagateNaN(context, format, a, c, d);
  if (infinity && vanishes) return invalid(context, format);
  const negative = (a.negative !== c.negative) !== signs.product;
  const addend = d.negative !== signs.addend;
  if (infinity && d.kind === "infinity" && negative !== addend) return invalid(context, format);
  noteDenormals(context, a, c, d);
  if (infinity) return infinite(format, negative);
  if (d.kind === "infinity") return infinite(format, addend);
  const product = { significand: a.significand * c.significand, exponent: a.exponent + c.exponent };
  const exponent = Math.min(product.exponent, d.exponent);
  const total = magnitudeAt(product, negative, exponent) + magnitudeAt(d, addend, exponent);
  if (total !== 0n) return roundPack(context, format, total < 0n, total < 0n ? -total : total, exponent);
  if (vanishes && d.kind === "zero" && negative === addend) return zero(format, negative);
  return zero(format, context.rounding === ROUND.down);
}

/** A signed multiple of 2^exponent, which is not above the value's own. */
function magnitudeAt(value: Pick<Unpacked, "significand" | "exponent">, negative: boolean, exponent: number): bigint {
  const magnitude = value.significand << BigInt(value.exponent - exponent);
  return negative ? -magnitude : magnitude;
}

/** x / y. */
export const divide: BinaryOperation = (context, format, x, y) => {
  const a = unpack(context, format, x);
  const c = unpack(context, format, y);
  if (isNan(a) || isNan(c)) return propagateNaN(context, format, a, c);
  if (a.kind === c.kind && (a.kind === "infinity" || a.kind === "zero")) return invalid(context, format);
  const negative = a.negative !== c.negative;
  if (c.kind === "zero" && a.kind !== "infinity") {
    context.exceptions |= MXCSR.ZE;
    return infinite(format, negative);
  }
  noteDenormals(context, a, c);
  if (a.kind === "infinity") return infinite(format, negative);
  if (c.kind === "infinity" || a.kind === "zero") return zero(format, negative);
  // Enough bits that the quotient has two more than the format, whatever the lengths; the rest is sticky.
  const shift = format.fraction + 4 + bitLength(c.significand) - bitLength(a.significand);
  const widened = shift >= 0 ? a.significand << BigInt(shift) : a.significand;
  const exponent = a.exponent - c.exponent - Math.max(shift, 0);
  const quotient = widened / c.significand;
  const sticky = quotient * c.significand === widened ? 0n : 1n;
  return roundPack(context, format, negative, (quotient << 1n) | sticky, exponent - 1);
};

/** Square root of x. */
export function squareRoot(context: FloatContext, format: FloatFormat, x: bigint): bigint {
  const a = unpack(context, format, x);
  if (isNan(a)) return propagateNaN(context, format, a);
  if (a.kind === "zero") return a.bits;
  if (a.negative) return invalid(context, format);
  noteDenormals(context, a);
  if (a.kind === "infinity") return a.bits;
  // An even exponent and a radicand of twice the bits the root needs.
  let shift = Math.max(0, 2 * (format.fraction + 3) - bitLength(a.significand));
  if (((a.exponent - shift) & 1) !== 0) shift++;
  const radicand = a.significand << BigInt(shift);
  const root = integerSquareRoot(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return roundPack(context, format, false, (root << 1n) | sticky, (a.exponent - shift) / 2 - 1);
}

/** The largest integer whose square is not above `value`. Newton's iteration from above. */
function integerSquareRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

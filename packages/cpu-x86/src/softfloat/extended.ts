// Double extended-precision numbers in generated code: taken apart, told apart, written back. SDM vol. 1, "x87 FPU Data
// Types" and "Unsupported Double Extended-Precision Floating-Point Encodings and Pseudo-Denormals".
//
// Invariants:
// 1. A pointer (i32) is the address of 16 bytes: the significand in the low 8, sign and exponent in the next 2.
// 2. Exponents are biased i64 and may leave their 15 bits on the way; signs are i64, 0 or 1.
// 3. A significand is normalized when bit 63 is set; it then stands for 1 to just below 2.
import type { IrBuilder, Val } from "@tsvm/tcg";

/** The exponent of 1.0. */
export const BIAS = 0x3fff;
/** The exponent of infinities and NaNs. */
export const MAX_EXPONENT = 0x7fff;
/** The integer bit; alone with `MAX_EXPONENT` it is infinity. */
export const INTEGER_BIT = -0x8000_0000_0000_0000n;
/** The bit that makes a NaN quiet. */
export const QUIET_BIT = 0x4000_0000_0000_0000n;
/** Significand of the default NaN, whose sign is 1. SDM vol. 1, "QNaN Floating-Point Indefinite". */
export const INDEFINITE = -0x4000_0000_0000_0000n;

/** A number taken apart. */
export interface Extended {
  readonly sign: Val;
  readonly exponent: Val;
  readonly significand: Val;
}

/** Takes the number at `pointer` apart. */
export function loadExtended(b: IrBuilder, pointer: Val): Extended {
  const head = b.load("i64.load16_u", pointer, 8);
  return {
    sign: b.shr(head, b.const(15)),
    exponent: b.and(head, b.const(MAX_EXPONENT)),
    significand: b.load("i64.load", pointer, 0),
  };
}

/** Writes a number whose exponent fits. */
export function storeExtended(b: IrBuilder, pointer: Val, { sign, exponent, significand }: Extended): void {
  b.store("i64.store", pointer, 0, significand);
  b.store("i64.store16", pointer, 8, b.or(b.shl(sign, b.const(15)), exponent));
}

/** Writes the default NaN. */
export function storeIndefinite(b: IrBuilder, pointer: Val): void {
  storeExtended(b, pointer, { sign: b.const(1), exponent: b.const(MAX_EXPONENT), significand: b.const(INDEFINITE) });
}

/** Writes an infinity. */
export function storeInfinity(b: IrBuilder, pointer: Val, sign: Val): void {
  storeExtended(b, pointer, { sign, exponent: b.const(MAX_EXPONENT), significand: b.const(INTEGER_BIT) });
}

/** Writes a zero. */
export function storeZero(b: IrBuilder, pointer: Val, sign: Val): void {
  storeExtended(b, pointer, { sign, exponent: b.const(0), significand: b.const(0) });
}

/** The integer bit is set. */
export const isNormalized = (b: IrBuilder, significand: Val): Val => b.ltS(significand, b.const(0));

/** Neither zero nor denormal, infinite, NaN or unsupported: what the fast paths take. */
export function isNormal(b: IrBuilder, { exponent, significand }: Extended): Val {
  const inRange = b.ltU(b.sub(exponent, b.const(1)), b.const(MAX_EXPONENT - 1));
  return b.both(inRange, isNormalized(b, significand));
}

/** An encoding that processors since the 387 refuse: integer bit 0 though the exponent is not. */
export function isUnsupported(b: IrBuilder, { exponent, significand }: Extended): Val {
  return b.both(b.ne(exponent, b.const(0)), b.isFalse(isNormalized(b, significand)));
}

/** A NaN, or unsupported. */
export function isNanOrUnsupported(b: IrBuilder, x: Extended): Val {
  const special = b.eq(x.exponent, b.const(MAX_EXPONENT));
  const nan = b.both(special, b.ne(x.significand, b.const(INTEGER_BIT)));
  return b.either(nan, isUnsupported(b, x));
}

/** A NaN, if the number is supported. */
export function isNan(b: IrBuilder, { exponent, significand }: Extended): Val {
  return b.both(b.eq(exponent, b.const(MAX_EXPONENT)), b.ne(significand, b.const(INTEGER_BIT)));
}

/** A signaling NaN, if the number is supported. */
export function isSignaling(b: IrBuilder, x: Extended): Val {
  return b.both(isNan(b, x), b.eqz(b.and(x.significand, b.const(QUIET_BIT))));
}

/** An infinity, if the number is no NaN and supported. */
export const isInfinite = (b: IrBuilder, { exponent }: Extended): Val => b.eq(exponent, b.const(MAX_EXPONENT));

/** A zero, if the number is supported. */
export const isZero = (b: IrBuilder, { significand }: Extended): Val => b.eqz(significand);

/** A denormal or pseudo-denormal. */
export function isDenormal(b: IrBuilder, { exponent, significand }: Extended): Val {
  return b.both(b.eqz(exponent), b.ne(significand, b.const(0)));
}

/** The same finite number with a normalized significand; zeros keep theirs and get an exponent below all others. */
export function normalize(b: IrBuilder, { sign, exponent, significand }: Extended): Extended {
  const shift = b.op("i64.clz", significand);
  const least = b.add(exponent, b.bool(b.eqz(exponent)));
  return { sign, exponent: b.sub(least, shift), significand: b.shl(significand, shift) };
}

/** The number as variables, for code that changes it on some paths. */
export interface ExtendedVariable {
  get(): Extended;
  set(value: Extended): void;
}

/** A variable number. */
export function variableExtended(b: IrBuilder, initial: Extended): ExtendedVariable {
  const sign = b.variable(initial.sign);
  const exponent = b.variable(initial.exponent);
  const significand = b.variable(initial.significand);
  return {
    get: () => ({ sign: b.get(sign), exponent: b.get(exponent), significand: b.get(significand) }),
    set(value) {
      b.set(sign, value.sign);
      b.set(exponent, value.exponent);
      b.set(significand, value.significand);
    },
  };
}

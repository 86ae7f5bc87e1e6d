// Binary floating-point numbers taken apart, and what SSE arithmetic depends on beside its operands. This is the slow
// path: generated code handles rounding to nearest of normal numbers itself and comes here for everything else, so
// clarity goes before speed and significands are bigint.
//
// Sources: IEEE 754-2019; SDM vol. 1, "SSE and SSE2 Floating-Point Exceptions" and "Rounding Control Field".

/** Bits of MXCSR. SDM vol. 1, "MXCSR Control and Status Register". */
export const MXCSR = {
  IE: 1 << 0,
  DE: 1 << 1,
  ZE: 1 << 2,
  OE: 1 << 3,
  UE: 1 << 4,
  PE: 1 << 5,
  DAZ: 1 << 6,
  IM: 1 << 7,
  DM: 1 << 8,
  ZM: 1 << 9,
  OM: 1 << 10,
  UM: 1 << 11,
  PM: 1 << 12,
  RC: 3 << 13,
  FZ: 1 << 15,
} as const;
/** Position of MXCSR.RC. */
export const RC_SHIFT = 13;
/** Exceptions to masks: IM is this far above IE. */
export const MASK_SHIFT = 7;

/** Rounding control: to nearest even, down, up, toward zero. */
export const ROUND = { nearest: 0, down: 1, up: 2, zero: 3 } as const;
/** A value of {@link ROUND}. */
export type Rounding = (typeof ROUND)[keyof typeof ROUND];

/** What an operation takes from MXCSR and what it adds to it. */
export interface FloatContext {
  rounding: Rounding;
  flushToZero: boolean;
  denormalsAreZero: boolean;
  overflowMasked: boolean;
  underflowMasked: boolean;
  /** Exceptions so far, at their places in MXCSR. */
  exceptions: number;
}

/** The context of an MXCSR value, without its exceptions. */
export function contextOf(mxcsr: number): FloatContext {
  return {
    rounding: ((mxcsr >> RC_SHIFT) & 3) as Rounding,
    // With underflow unmasked there is a trap instead of the flush.
    flushToZero: (mxcsr & (MXCSR.FZ | MXCSR.UM)) === (MXCSR.FZ | MXCSR.UM),
    denormalsAreZero: (mxcsr & MXCSR.DAZ) !== 0,
    overflowMasked: (mxcsr & MXCSR.OM) !== 0,
    underflowMasked: (mxcsr & MXCSR.UM) !== 0,
    exceptions: 0,
  };
}

/** An interchange format. */
export interface FloatFormat {
  readonly bits: 16 | 32 | 64;
  /** Bits of the fraction, without the leading 1. */
  readonly fraction: number;
  readonly bias: number;
  /** Exponent of the smallest normal number. */
  readonly minExponent: number;
  readonly sign: bigint;
  readonly infinity: bigint;
  /** The bit that makes a NaN quiet. */
  readonly quiet: bigint;
  /** What invalid operations give: a quiet NaN with the sign set. SDM vol. 1, "QNaN Floating-Point Indefinite". */
  readonly indefinite: bigint;
}

function format(bits: 16 | 32 | 64, fraction: number): FloatFormat {
  const bias = (1 << (bits - fraction - 2)) - 1;
  const sign = 1n << BigInt(bits - 1);
  const quiet = 1n << BigInt(fraction - 1);
  const infinity = ((1n << BigInt(bits - fraction - 1)) - 1n) << BigInt(fraction);
  return { bits, fraction, bias, minExponent: 1 - bias, sign, infinity, quiet, indefinite: sign | infinity | quiet };
}

/** binary16. */
export const HALF: FloatFormat = format(16, 10);
/** binary32. */
export const SINGLE: FloatFormat = format(32, 23);
/** binary64. */
export const DOUBLE: FloatFormat = format(64, 52);

/** A number: (-1)^negative * significand * 2^exponent; or an infinity or a NaN. */
export interface Unpacked {
  readonly kind: "zero" | "denormal" | "normal" | "infinity" | "quiet" | "signaling";
  readonly negative: boolean;
  /** 0 unless finite. */
  readonly significand: bigint;
  readonly exponent: number;
  /** As given. */
  readonly bits: bigint;
}

/** Takes an operand apart; under DAZ denormals are zeros of their sign. */
export function unpack(
  context: FloatContext,
  { fraction, sign, infinity, quiet, bias }: FloatFormat,
  bits: bigint,
): Unpacked {
  const negative = (bits & sign) !== 0n;
  const magnitude = bits & ~sign;
  if (magnitude >= infinity) {
    const kind = magnitude === infinity ? "infinity" : (magnitude & quiet) !== 0n ? "quiet" : "signaling";
    return { kind, negative, significand: 0n, exponent: 0, bits };
  }
  const biased = Number(magnitude >> BigInt(fraction));
  const low = magnitude & ((1n << BigInt(fraction)) - 1n);
  if (biased !== 0) {
    return {
      kind: "normal",
      negative,
      significand: low | (1n << BigInt(fraction)),
      exponent: biased - bias - fraction,
      bits,
    };
  }
  const isZero = low === 0n || context.denormalsAreZero;
  const exponent = 1 - bias - fraction;
  return isZero
    ? { kind: "zero", negative, significand: 0n, exponent, bits: negative ? sign : 0n }
    : { kind: "denormal", negative, significand: low, exponent, bits };
}

/** A quiet or signaling NaN. */
export const isNan = (x: Unpacked): boolean => x.kind === "quiet" || x.kind === "signaling";

/** The NaN that an operation with a NaN operand gives: the first of them, quiet. SDM vol. 1, "Rules for Handling NaNs". */
export function propagateNaN(context: FloatContext, { quiet }: FloatFormat, ...operands: readonly Unpacked[]): bigint {
  if (operands.some((x) => x.kind === "signaling")) context.exceptions |= MXCSR.IE;
  const first = operands.find(isNan) as Unpacked;
  return first.bits | quiet;
}

/** The invalid operation: IE and the default NaN. */
export function invalid(context: FloatContext, { indefinite }: FloatFormat): bigint {
  context.exceptions |= MXCSR.IE;
  return indefinite;
}

/** DE if any operand is denormal. */
export function noteDenormals(context: FloatContext, ...operands: readonly Unpacked[]): void {
  if (operands.some((x) => x.kind === "denormal")) context.exceptions |= MXCSR.DE;
}

/** Zero of a sign. */
export const zero = ({ sign }: FloatFormat, negative: boolean): bigint => (negative ? sign : 0n);

/** Infinity of a sign. */
export const infinite = ({ sign, infinity }: FloatFormat, negative: boolean): bigint =>
  negative ? sign | infinity : infinity;

// Conversion to and from single and double precision. SDM vol. 2A, FLD and FST.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { bitsIf, bitsOf, loadControl, together } from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  INTEGER_BIT,
  isNan,
  isNanOrUnsupported,
  isSignaling,
  isUnsupported,
  isZero,
  loadExtended,
  MAX_EXPONENT,
  normalize,
  QUIET_BIT,
  storeExtended,
} from "./extended.ts";
import { roundAt, roundsAway, roundsToNearest, shiftRight } from "./round.ts";
import { FLAGS_SLOT } from "./slots.ts";
import { FSW } from "./status-word.ts";
import { giveBack, type Subroutine } from "./subroutine.ts";

/** An interchange format. */
interface Format {
  readonly bits: 32 | 64;
  /** Bits of the fraction, without the integer bit. */
  readonly fraction: number;
  readonly bias: number;
  readonly maxExponent: number;
}
const SINGLE: Format = { bits: 32, fraction: 23, bias: 0x7f, maxExponent: 0xff };
const DOUBLE: Format = { bits: 64, fraction: 52, bias: 0x3ff, maxExponent: 0x7ff };

// --- to extended ---

/**
 * Converts bits of a format to the number at a pointer, without touching NaNs: signaling ones stay so. Parameters:
 * bits (i64), pointer. @returns FSW.DE if they were denormal, else 0; nothing is noted.
 */
const widening = (name: string, { bits, fraction, bias, maxExponent }: Format): Subroutine => ({
  name,
  params: ["i64", "i32"],
  result: "i32",
  body(b, value, pointer) {
    const sign = b.shr(value!, b.const(bits - 1));
    const biased = b.and(b.shr(value!, b.const(fraction)), b.const(maxExponent));
    const significand = b.shl(value!, b.const(63 - fraction));
    const normal = b.ltU(b.sub(biased, b.const(1)), b.const(maxExponent - 1));
    b.when(normal, () => {
      const exponent = b.add(biased, b.const(BIAS - bias));
      storeExtended(b, pointer!, { sign, exponent, significand: b.or(significand, b.const(INTEGER_BIT)) });
      giveBack(b, b.const32(0));
    });
    const low = b.and(significand, b.const(~INTEGER_BIT));
    b.when(b.ne(biased, b.const(0)), () => {
      const special = { sign, exponent: b.const(MAX_EXPONENT), significand: b.or(low, b.const(INTEGER_BIT)) };
      storeExtended(b, pointer!, special);
      giveBack(b, b.const32(0));
    });
    const zero = b.eqz(low);
    const shift = b.op("i64.clz", low);
    const exponent = b.select(zero, b.const(0), b.sub(b.const(BIAS - bias + 1), shift));
    storeExtended(b, pointer!, { sign, exponent, significand: b.shl(low, shift) });
    giveBack(b, bitsIf(b, b.isFalse(zero), FSW.DE));
  },
});

/** See {@link widening}. */
export const fromSingle: Subroutine = widening("x87FromSingle", SINGLE);
/** See {@link widening}. */
export const fromDouble: Subroutine = widening("x87FromDouble", DOUBLE);

// --- from extended ---

/**
 * Converts the number at a pointer to a format. Parameter: pointer. @returns its bits; `FLAGS_SLOT` has the exceptions
 * (nothing is noted). With an unmasked IE, OE or UE among them the bits mean nothing.
 */
const narrowing = (name: string, format: Format): Subroutine => ({
  name,
  params: ["i32"],
  result: "i64",
  body(b, pointer) {
    const x = loadExtended(b, pointer!);
    const sign = b.shl(x.sign, b.const(format.bits - 1));
    const end = (magnitude: Val, flags: Val): void => {
      b.store("i32.store", undefined, FLAGS_SLOT, flags);
      giveBack(b, b.or(sign, magnitude));
    };
    const special = b.eq(x.exponent, b.const(MAX_EXPONENT));
    b.when(b.either(special, isNanOrUnsupported(b, x)), () => narrowSpecial(b, x, format, end));
    b.when(isZero(b, x), () => end(b.const(0), b.const32(0)));
    narrowFinite(b, normalize(b, x), format, end);
  },
});

type End = (magnitude: Val, flags: Val) => void;

/** All exponent bits of a format. */
const infinityOf = ({ fraction, maxExponent }: Format): bigint => BigInt(maxExponent) << BigInt(fraction);

/** Infinities and NaNs; unsupported encodings are invalid. */
function narrowSpecial(b: IrBuilder, x: Extended, format: Format, end: End): void {
  const infinity = b.const(infinityOf(format));
  const quiet = b.const(1n << BigInt(format.fraction - 1));
  b.when(isUnsupported(b, x), () => {
    // The sign of the default NaN is 1 whatever x has.
    b.store("i32.store", undefined, FLAGS_SLOT, b.const32(FSW.IE));
    giveBack(b, b.or(b.or(infinity, quiet), b.const(1n << BigInt(format.bits - 1))));
  });
  const payload = b.shr(
    b.and(b.or(x.significand, b.const(QUIET_BIT)), b.const(~INTEGER_BIT)),
    b.const(63 - format.fraction),
  );
  const magnitude = b.select(isNan(b, x), b.or(infinity, payload), infinity);
  end(magnitude, bitsIf(b, isSignaling(b, x), FSW.IE));
}

function narrowFinite(b: IrBuilder, x: Extended, format: Format, end: End): void {
  const control = loadControl(b);
  const drop = b.const(63 - format.fraction);
  const place = (exponent: Val, significand: Val): Val => {
    const fraction = b.shr(b.and(significand, b.const(~INTEGER_BIT)), drop);
    return b.or(b.shl(exponent, b.const(format.fraction)), fraction);
  };
  const flagsOf = (inexact: Val, up: Val, exceptions: number): Val =>
    together(b, bitsIf(b, inexact, exceptions), bitsIf(b, up, FSW.C1));
  const exponent = b.sub(x.exponent, b.const(BIAS - format.bias));
  const rounded = roundAt(b, { ...x, fraction: b.const(0), drop, control });
  const carried = b.add(exponent, b.bool(rounded.carried));
  const aboveTiny = b.ltS(b.const(0), exponent);
  b.when(b.both(aboveTiny, b.ltS(carried, b.const(format.maxExponent))), () =>
    end(place(carried, rounded.significand), flagsOf(rounded.inexact, rounded.up, FSW.PE)),
  );
  b.when(aboveTiny, () => {
    const infinite = b.either(roundsToNearest(b, control), roundsAway(b, control, x.sign));
    const infinity = infinityOf(format);
    const magnitude = b.select(infinite, b.const(infinity), b.const(infinity - 1n));
    // Unmasked, there is no result that could be inexact or rounded up.
    const masked = together(b, b.const32(FSW.PE), bitsIf(b, infinite, FSW.C1));
    const response = b.select(bitsOf(b, control, FSW.OE), masked, b.const32(0));
    end(magnitude, together(b, b.const32(FSW.OE), response));
  });
  const tiny = b.ltS(carried, b.const(1));
  b.when(b.both(tiny, b.isFalse(bitsOf(b, control, FSW.UE))), () => end(b.const(0), b.const32(FSW.UE)));
  const shifted = shiftRight(b, x.significand, b.const(0), b.sub(b.const(1), exponent));
  const again = roundAt(b, { sign: x.sign, ...shifted, drop, control });
  // A carry into the integer bit makes the smallest normal number.
  const least = b.shr(again.significand, drop);
  const exceptions = b.select(tiny, b.const32(FSW.UE | FSW.PE), b.const32(FSW.PE));
  const seen = b.select(again.inexact, exceptions, b.const32(0));
  end(least, together(b, seen, bitsIf(b, again.up, FSW.C1)));
}

/** See {@link narrowing}. */
export const toSingle: Subroutine = narrowing("x87ToSingle", SINGLE);
/** See {@link narrowing}. */
export const toDouble: Subroutine = narrowing("x87ToDouble", DOUBLE);

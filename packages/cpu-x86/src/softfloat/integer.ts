// Conversion to and from integers, and rounding to an integral value. SDM vol. 2A, FILD, FIST, FISTTP, FRNDINT.
import type { IrBuilder, Val } from "@tsvm/tcg";
import {
  bitsIf,
  giveBackExact,
  giveBackWith,
  loadControl,
  noteOrGiveUp,
  propagateNan,
  together,
} from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  isDenormal,
  isNanOrUnsupported,
  isZero,
  loadExtended,
  normalize,
  storeExtended,
} from "./extended.ts";
import { type Rounded, roundAt, shiftRight } from "./round.ts";
import { FLAGS_SLOT } from "./slots.ts";
import { FSW, ROUNDING } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** Exponent of numbers whose significand is an integer. */
const INTEGRAL = BIAS + 63;

/** An integer (i64, signed) as a number. */
export function fromInteger(b: IrBuilder, value: Val): Extended {
  const negative = b.shr(value, b.const(63));
  const magnitude = b.select(b.wrap(negative), b.sub(b.const(0), value), value);
  return fromMagnitude(b, negative, magnitude);
}

/** A sign and an unsigned integer as a number. */
export function fromMagnitude(b: IrBuilder, sign: Val, magnitude: Val): Extended {
  const shift = b.op("i64.clz", magnitude);
  const exponent = b.select(b.eqz(magnitude), b.const(0), b.sub(b.const(INTEGRAL), shift));
  return { sign, exponent, significand: b.shl(magnitude, shift) };
}

/** The integer next to the magnitude of x by the control word, for exponents up to that of 2^63. */
function roundMagnitude(b: IrBuilder, x: Extended, control: Val): Rounded {
  const { sign, exponent, significand } = normalize(b, x);
  const count = b.sub(b.const(INTEGRAL), exponent);
  const shifted = shiftRight(b, significand, b.const(0), count);
  const whole = b.eqz(count);
  return roundAt(b, {
    sign,
    significand: b.select(whole, significand, shifted.significand),
    fraction: b.select(whole, b.const(0), shifted.fraction),
    drop: b.const(0),
    control,
  });
}

/**
 * An integer of the number at a pointer. Parameters: pointer, control word that says how to round, the greatest
 * magnitude of positive and of negative integers (unsigned). @returns the magnitude; `FLAGS_SLOT` has the exceptions
 * (nothing is noted yet). Without IE among them the magnitude is within its limit.
 */
export const toMagnitude: Subroutine = {
  name: "x87ToMagnitude",
  params: ["i32", "i32", "i64", "i64"],
  result: "i64",
  body(b, pointer, control, positiveLimit, negativeLimit) {
    const x = loadExtended(b, pointer!);
    const setFlags = (flags: Val): void => b.store("i32.store", undefined, FLAGS_SLOT, flags);
    const invalid = (): void => {
      setFlags(b.const32(FSW.IE));
      giveBack(b, b.const(0));
    };
    const tooGreat = b.ltS(b.const(INTEGRAL), x.exponent);
    b.when(b.either(isNanOrUnsupported(b, x), tooGreat), invalid);
    const { significand, inexact, up } = roundMagnitude(b, x, control!);
    const limit = b.select(b.wrap(x.sign), negativeLimit!, positiveLimit!);
    b.when(b.ltU(limit, significand), invalid);
    setFlags(together(b, bitsIf(b, inexact, FSW.PE), bitsIf(b, up, FSW.C1)));
    giveBack(b, significand);
  },
};

/** The control word that FISTTP rounds by: toward zero. */
export const towardZero = (b: IrBuilder): Val => b.const32(ROUNDING.zero);

/** Rounds x to an integral value. Parameters: pointers to x and the destination. */
export const roundToIntegral: Subroutine = {
  name: "x87RoundToIntegral",
  params: ["i32", "i32"],
  result: "i32",
  body(b, pointer, destination) {
    const x = loadExtended(b, pointer!);
    b.when(isNanOrUnsupported(b, x), () =>
      giveBack(b, callSubroutine(b, propagateNan, pointer!, pointer!, destination!)),
    );
    b.when(b.either(b.ltS(b.const(INTEGRAL - 1), x.exponent), isZero(b, x)), () => {
      storeExtended(b, destination!, x);
      giveBackExact(b);
    });
    noteOrGiveUp(b, bitsIf(b, isDenormal(b, x), FSW.DE));
    const rounded = roundMagnitude(b, x, loadControl(b));
    // Below 2^63 no carry leaves the significand.
    storeExtended(b, destination!, fromMagnitude(b, x.sign, rounded.significand));
    giveBackWith(b, together(b, bitsIf(b, rounded.inexact, FSW.PE), bitsIf(b, rounded.up, FSW.C1)));
  },
};

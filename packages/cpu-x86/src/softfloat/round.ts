// Rounding of a significand and what is below it, to the precision and in the direction of the control word. SDM
// vol. 1, "Rounding", "Numeric Overflow Exception", "Numeric Underflow Exception".
//
// Invariant: the fraction below a significand is 64 bits, bit 63 worth half a unit in the last place. Bits further down
// are or-ed into bit 0 ("sticky"), which changes no rounding.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { AT } from "../state/layout.ts";
import { bitsIf, bitsOf, giveBackExact, giveBackWith, loadControl, loadStatus, together } from "./exceptions.ts";
import { type Extended, isNormalized, MAX_EXPONENT, storeExtended, storeInfinity, storeZero } from "./extended.ts";
import { FCW, FSW, PRECISION, ROUNDING } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/**
 * What unmasked responses take from an exponent that is too great, or add to one too small. SDM vol. 1, "Numeric
 * Overflow Exception".
 */
const BIAS_ADJUSTMENT = 24576;

/** Whether the control word (i32) says to round in this direction. */
const rounds = (b: IrBuilder, control: Val, direction: number): Val =>
  b.op("i32.eq", bitsOf(b, control, FCW.RC), b.const32(direction));

/** Whether results of this sign grow in magnitude when they are inexact: directed rounding away from zero, i32. */
export function roundsAway(b: IrBuilder, control: Val, sign: Val): Val {
  const away = b.select(b.wrap(sign), b.const32(ROUNDING.down), b.const32(ROUNDING.up));
  return b.op("i32.eq", bitsOf(b, control, FCW.RC), away);
}

/** Rounding is to nearest even, i32. */
export const roundsToNearest = (b: IrBuilder, control: Val): Val => rounds(b, control, ROUNDING.nearest);

/** The sign of an exact zero that is the sum of opposite numbers, i64. */
export const signOfZeroSum = (b: IrBuilder): Val => b.bool(rounds(b, loadControl(b), ROUNDING.down));

/** Whether rounding to nearest goes up, i32. @param odd the last bit that stays, i64 0 or 1. */
function nearestGoesUp(b: IrBuilder, fraction: Val, odd: Val): Val {
  const half = b.ltS(fraction, b.const(0));
  const beyond = b.or(b.shl(fraction, b.const(1)), odd);
  return b.both(half, b.ne(beyond, b.const(0)));
}

/** A value rounded to an integer number of units. */
export interface Rounded {
  /** The significand; normalized again if it was before. */
  readonly significand: Val;
  /** It became 2 and is 1 now, with the exponent one higher: i32. */
  readonly carried: Val;
  readonly inexact: Val;
  /** It grew: i32. */
  readonly up: Val;
}

/** Rounds `significand` and the `fraction` below it at bit `drop` (i64, 0 to 63). */
export function roundAt(
  b: IrBuilder,
  {
    sign,
    significand,
    fraction,
    drop,
    control,
  }: {
    readonly sign: Val;
    readonly significand: Val;
    readonly fraction: Val;
    readonly drop: Val;
    readonly control: Val;
  },
): Rounded {
  const unit = b.shl(b.const(1), drop);
  const dropped = b.shl(b.shl(significand, b.const(1)), b.sub(b.const(63), drop));
  const below = b.select(b.eqz(drop), fraction, b.or(dropped, b.bool(b.ne(fraction, b.const(0)))));
  const kept = b.and(significand, b.sub(b.const(0), unit));
  const odd = b.bool(b.ne(b.and(kept, unit), b.const(0)));
  const inexact = b.ne(below, b.const(0));
  const directed = b.both(inexact, roundsAway(b, control, sign));
  const up = b.select(roundsToNearest(b, control), nearestGoesUp(b, below, odd), directed);
  const sum = b.add(kept, b.select(up, unit, b.const(0)));
  const carried = b.both(up, b.eqz(sum));
  return { significand: b.or(sum, b.shl(b.bool(carried), b.const(63))), carried, inexact, up };
}

/** Shifts right by `count` (i64, at least 1); what falls out is kept in the fraction. */
export function shiftRight(
  b: IrBuilder,
  significand: Val,
  fraction: Val,
  count: Val,
): { readonly significand: Val; readonly fraction: Val } {
  const sticky = b.bool(b.ne(fraction, b.const(0)));
  const [within, exact] = [b.ltU(count, b.const(64)), b.eq(count, b.const(64))];
  const near = b.or(b.shl(significand, b.sub(b.const(64), count)), sticky);
  const far = b.bool(b.ne(b.or(significand, fraction), b.const(0)));
  return {
    significand: b.select(within, b.shr(significand, count), b.const(0)),
    fraction: b.select(within, near, b.select(exact, b.or(significand, sticky), far)),
  };
}

/** Bits of a significand that the control word's precision leaves out, i64. */
function droppedBits(b: IrBuilder, control: Val): Val {
  const precision = bitsOf(b, control, FCW.PC);
  const is = (value: number): Val => b.op("i32.eq", precision, b.const32(value));
  return b.select(is(PRECISION.double), b.const(11), b.select(is(PRECISION.single), b.const(40), b.const(0)));
}

/**
 * Rounds a normalized significand of any exponent and stores it, with overflow and underflow. Parameters: sign,
 * exponent, significand, fraction, destination, control word (whose PC an operation may override). @returns 1.
 */
export const roundAndStore: Subroutine = {
  name: "x87RoundAndStore",
  params: ["i64", "i64", "i64", "i64", "i32", "i32"],
  result: "i32",
  body(b, sign, exponent, significand, fraction, destination, control) {
    const drop = droppedBits(b, control!);
    const rounded = roundAt(b, {
      sign: sign!,
      significand: significand!,
      fraction: fraction!,
      drop,
      control: control!,
    });
    const carriedExponent = b.add(exponent!, b.bool(rounded.carried));
    const flags = together(b, bitsIf(b, rounded.inexact, FSW.PE), bitsIf(b, rounded.up, FSW.C1));
    const number: Extended = { sign: sign!, exponent: carriedExponent, significand: rounded.significand };
    const inRange = b.both(b.ltS(b.const(0), exponent!), b.ltS(carriedExponent, b.const(MAX_EXPONENT)));
    b.when(inRange, () => {
      storeExtended(b, destination!, number);
      giveBackWith(b, flags);
    });
    b.when(b.ltS(b.const(0), exponent!), () => overflow(b, number, drop, destination!, control!, flags));
    // Tiny is what is below the smallest normal number after rounding as if exponents had no end.
    const tiny = b.ltS(carriedExponent, b.const(1));
    const unmasked = b.isFalse(bitsOf(b, control!, FSW.UE));
    b.when(b.both(tiny, unmasked), () => {
      giveBackAdjusted(b, number, BIAS_ADJUSTMENT, destination!, together(b, flags, b.const32(FSW.UE)));
    });
    const denormal = shiftRight(b, significand!, fraction!, b.sub(b.const(1), exponent!));
    const again = roundAt(b, { sign: sign!, ...denormal, drop, control: control! });
    storeExtended(b, destination!, {
      sign: sign!,
      exponent: b.bool(isNormalized(b, again.significand)),
      significand: again.significand,
    });
    const underflow = b.select(tiny, b.const32(FSW.UE | FSW.PE), b.const32(FSW.PE));
    const seen = b.select(again.inexact, underflow, b.const32(0));
    giveBackWith(b, together(b, seen, bitsIf(b, again.up, FSW.C1)));
  },
};

/** Masked: infinity or the greatest finite number; unmasked: the rounded number with a smaller exponent. */
function overflow(b: IrBuilder, number: Extended, drop: Val, destination: Val, control: Val, flags: Val): void {
  b.when(bitsOf(b, control, FSW.OE), () => {
    const infinite = b.either(roundsToNearest(b, control), roundsAway(b, control, number.sign));
    b.when(
      infinite,
      () => storeInfinity(b, destination, number.sign),
      () => {
        const significand = b.shl(b.const(-1), drop);
        storeExtended(b, destination, { sign: number.sign, exponent: b.const(MAX_EXPONENT - 1), significand });
      },
    );
    giveBackWith(b, together(b, b.const32(FSW.OE | FSW.PE), bitsIf(b, infinite, FSW.C1)));
  });
  giveBackAdjusted(b, number, -BIAS_ADJUSTMENT, destination, together(b, flags, b.const32(FSW.OE)));
}

/**
 * Ends the subroutine with the number under an exponent moved back into range. Only FSCALE can go so far that it does
 * not fit even then: the result is infinity or zero and counts as inexact.
 */
function giveBackAdjusted(
  b: IrBuilder,
  { sign, exponent, significand }: Extended,
  by: number,
  destination: Val,
  flags: Val,
): void {
  const adjusted = b.add(exponent, b.const(by));
  b.when(b.ltU(b.sub(adjusted, b.const(1)), b.const(MAX_EXPONENT - 1)), () => {
    storeExtended(b, destination, { sign, exponent: adjusted, significand });
    giveBackWith(b, flags);
  });
  if (by < 0) storeInfinity(b, destination, sign);
  else storeZero(b, destination, sign);
  giveBackWith(b, together(b, flags, b.const32(by < 0 ? FSW.PE | FSW.C1 : FSW.PE)));
}

/**
 * Ends a subroutine: rounds a normalized significand of any exponent and stores it. To nearest at full precision within
 * the range of normal numbers, which is nearly always, here; else by {@link roundAndStore}.
 */
export function giveBackRounded(
  b: IrBuilder,
  { sign, exponent, significand }: Extended,
  fraction: Val,
  destination: Val,
): void {
  const control = loadControl(b);
  const usual = b.op("i32.eq", bitsOf(b, control, FCW.PC | FCW.RC), b.const32(PRECISION.extended));
  const inRange = b.ltU(b.sub(exponent, b.const(1)), b.const(MAX_EXPONENT - 2));
  b.when(b.both(usual, inRange), () => {
    const up = b.bool(nearestGoesUp(b, fraction, b.and(significand, b.const(1))));
    const sum = b.add(significand, up);
    const carried = b.bool(b.ltU(sum, up));
    storeExtended(b, destination, {
      sign,
      exponent: b.add(exponent, carried),
      significand: b.or(sum, b.shl(carried, b.const(63))),
    });
    b.when(b.eqz(fraction), () => giveBackExact(b));
    const flags = together(b, b.const32(FSW.PE), b.op("i32.shl", b.wrap(up), b.const32(9)));
    b.when(b.isFalse(bitsOf(b, control, FSW.PE)), () => giveBackWith(b, flags));
    b.store("i32.store", undefined, AT.fpuStatus, together(b, bitsOf(b, loadStatus(b), ~FSW.C1), flags));
    giveBack(b, b.const32(1));
  });
  const args = [sign, exponent, significand, fraction, destination, control];
  giveBack(b, callSubroutine(b, roundAndStore, ...args));
}

/** As {@link giveBackRounded} for operations that precision control does not concern. */
export function giveBackRoundedFully(b: IrBuilder, x: Extended, fraction: Val, destination: Val): void {
  const control = together(b, loadControl(b), b.const32(PRECISION.extended));
  giveBack(b, callSubroutine(b, roundAndStore, x.sign, x.exponent, x.significand, fraction, destination, control));
}

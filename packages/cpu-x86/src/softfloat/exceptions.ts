// x87 exceptions and their masked responses. SDM vol. 1, "x87 FPU Floating-Point Exception Conditions" and "NaNs".
//
// Subroutines that compute a result return whether it was stored: an unmasked IE, DE or ZE leaves the destination and
// the stack as they were.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { AT } from "../state/layout.ts";
import {
  type Extended,
  isNan,
  isSignaling,
  isUnsupported,
  loadExtended,
  MAX_EXPONENT,
  QUIET_BIT,
  storeExtended,
  storeIndefinite,
} from "./extended.ts";
import { EXCEPTIONS, FSW } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** The status word, i32. */
export const loadStatus = (b: IrBuilder): Val => b.load("i32.load", undefined, AT.fpuStatus);
/** The control word, i32. */
export const loadControl = (b: IrBuilder): Val => b.load("i32.load", undefined, AT.fpuControl);

/** The subset of `bits` (i32) that the status word or control word has. */
export const bitsOf = (b: IrBuilder, word: Val, bits: number): Val => b.op("i32.and", word, b.const32(bits));
/** `bits` if the condition holds, else 0. */
export const bitsIf = (b: IrBuilder, condition: Val, bits: number): Val =>
  b.select(condition, b.const32(bits), b.const32(0));
/** Both sets of bits. */
export const together = (b: IrBuilder, ...sets: readonly Val[]): Val => sets.reduce((x, y) => b.op("i32.or", x, y));

/** Exceptions among `flags` that the control word does not mask. */
export function unmaskedOf(b: IrBuilder, flags: Val, control: Val): Val {
  const unmasked = b.op("i32.and", flags, b.op("i32.xor", control, b.const32(-1)));
  return bitsOf(b, unmasked, EXCEPTIONS);
}

/** The status word after exceptions `flags`, which may have C1 and SF in them; without it C1 is cleared. */
export function statusAfter(b: IrBuilder, flags: Val, control: Val): Val {
  const summary = bitsIf(b, b.op("i32.ne", unmaskedOf(b, flags, control), b.const32(0)), FSW.ES | FSW.B);
  return together(b, bitsOf(b, loadStatus(b), ~FSW.C1), flags, summary);
}

/** Notes exceptions. @returns whether all of them are masked, i32. */
export const noteExceptions: Subroutine = {
  name: "x87NoteExceptions",
  params: ["i32"],
  result: "i32",
  body(b, flags) {
    const control = loadControl(b);
    b.store("i32.store", undefined, AT.fpuStatus, statusAfter(b, flags!, control));
    giveBack(b, b.isFalse(unmaskedOf(b, flags!, control)));
  },
};

/** Notes exceptions; if one is unmasked the current subroutine ends without a result. */
export function noteOrGiveUp(b: IrBuilder, flags: Val): void {
  b.when(b.isFalse(callSubroutine(b, noteExceptions, flags)), () => giveBack(b, b.const32(0)));
}

/** Ends the current subroutine: an exact result was stored. */
export function giveBackExact(b: IrBuilder): void {
  b.store("i32.store", undefined, AT.fpuStatus, bitsOf(b, loadStatus(b), ~FSW.C1));
  giveBack(b, b.const32(1));
}

/** Ends the current subroutine: a result was stored, with exceptions that come after it. */
export function giveBackWith(b: IrBuilder, flags: Val): void {
  callSubroutine(b, noteExceptions, flags);
  giveBack(b, b.const32(1));
}

/** The default NaN for an invalid operation. Parameters: destination, flags beside IE. @returns whether stored. */
export const invalidOperation: Subroutine = {
  name: "x87InvalidOperation",
  params: ["i32", "i32"],
  result: "i32",
  body(b, destination, flags) {
    noteOrGiveUp(b, together(b, flags!, b.const32(FSW.IE)));
    storeIndefinite(b, destination!);
    giveBack(b, b.const32(1));
  },
};

/** Ends the current subroutine with the default NaN. */
export function giveBackInvalid(b: IrBuilder, destination: Val): void {
  giveBack(b, callSubroutine(b, invalidOperation, destination, b.const32(0)));
}

/**
 * The NaN that an operation gives one of whose operands is a NaN or unsupported. Parameters: pointers to the operands
 * (the same one twice if there is one only) and the destination. SDM vol. 1, "Rules for Handling NaNs".
 */
export const propagateNan: Subroutine = {
  name: "x87PropagateNan",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination) {
    const x = loadExtended(b, pointerX!);
    const y = loadExtended(b, pointerY!);
    b.when(b.either(isUnsupported(b, x), isUnsupported(b, y)), () => giveBackInvalid(b, destination!));
    const signaling = b.either(isSignaling(b, x), isSignaling(b, y));
    noteOrGiveUp(b, bitsIf(b, signaling, FSW.IE));
    const chosen = chooseNan(b, x, y);
    storeExtended(b, destination!, { ...chosen, significand: b.or(chosen.significand, b.const(QUIET_BIT)) });
    giveBack(b, b.const32(1));
  },
};

/** A quiet one before a signaling one, then the greater significand, then the positive one. */
function chooseNan(b: IrBuilder, x: Extended, y: Extended): Extended {
  const [xIsNan, yIsNan] = [isNan(b, x), isNan(b, y)];
  const [xSignals, ySignals] = [isSignaling(b, x), isSignaling(b, y)];
  const greater = b.ltU(x.significand, y.significand);
  const same = b.eq(x.significand, y.significand);
  const positive = b.both(same, b.ltU(y.sign, x.sign));
  const yByValue = b.either(greater, positive);
  const alike = b.op("i32.eq", xSignals, ySignals);
  const yAmongTwo = b.select(alike, yByValue, xSignals);
  const takeY = b.select(b.both(xIsNan, yIsNan), yAmongTwo, yIsNan);
  return {
    sign: b.select(takeY, y.sign, x.sign),
    exponent: b.const(MAX_EXPONENT),
    significand: b.select(takeY, y.significand, x.significand),
  };
}

// From unrounded results, which TypeScript leaves in CPU state, to numbers in registers.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import {
  bitsIf,
  bitsOf,
  giveBackExact,
  giveBackInvalid,
  loadStatus,
  noteOrGiveUp,
  propagateNan,
  together,
} from "./exceptions.ts";
import { isDenormal, isNanOrUnsupported, loadExtended, storeInfinity, storeZero } from "./extended.ts";
import { giveBackRoundedFully } from "./round.ts";
import { FSW } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** What a result is; the order in which exceptions are noted follows from it. */
export const RESULT_KIND = { zero: 0, number: 1, infinity: 2, invalid: 3, zeroDivide: 4, outOfRange: 5 } as const;
/** Words of one result in the field `x87Results`: kind, sign, biased exponent, normalized significand, fraction. */
export const RESULT_WORDS = { kind: 0, sign: 1, exponent: 2, significand: 3, fraction: 4 } as const;
/** Words of each result. */
export const RESULT_LENGTH = 5;

/**
 * Rounds and stores a result. Parameters: pointers to the operands (the same one twice if there is one only), the
 * destination, which result: 0 or 1. @returns whether stored; not if it is out of range, which sets C2.
 */
export const storeResult: Subroutine = {
  name: "x87StoreResult",
  params: ["i32", "i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination, which) {
    const x = loadExtended(b, pointerX!);
    const y = loadExtended(b, pointerY!);
    b.when(b.either(isNanOrUnsupported(b, x), isNanOrUnsupported(b, y)), () =>
      giveBack(b, callSubroutine(b, propagateNan, pointerX!, pointerY!, destination!)),
    );
    const word = wordsOf(b, which!);
    const kind = b.wrap(word("kind"));
    const sign = word("sign");
    const is = (name: keyof typeof RESULT_KIND): Val => b.op("i32.eq", kind, b.const32(RESULT_KIND[name]));
    b.when(is("invalid"), () => giveBackInvalid(b, destination!));
    b.when(is("zeroDivide"), () => {
      noteOrGiveUp(b, b.const32(FSW.ZE));
      storeInfinity(b, destination!, sign);
      giveBackExact(b);
    });
    b.when(is("outOfRange"), () => {
      const status = together(b, bitsOf(b, loadStatus(b), ~FSW.C1), b.const32(FSW.C2));
      b.store("i32.store", undefined, AT.fpuStatus, status);
      giveBack(b, b.const32(0));
    });
    noteOrGiveUp(b, bitsIf(b, b.either(isDenormal(b, x), isDenormal(b, y)), FSW.DE));
    b.when(is("zero"), () => {
      storeZero(b, destination!, sign);
      giveBackExact(b);
    });
    b.when(is("infinity"), () => {
      storeInfinity(b, destination!, sign);
      giveBackExact(b);
    });
    const number = { sign, exponent: word("exponent"), significand: word("significand") };
    giveBackRoundedFully(b, number, word("fraction"), destination!);
  },
};

/** Reads words of a result. */
function wordsOf(b: IrBuilder, which: Val): (name: keyof typeof RESULT_WORDS) => Val {
  const size = ELEMENT_SIZE.x87Results;
  const start = b.op("i32.mul", which, b.const32(RESULT_LENGTH * size));
  return (name) => b.load("i64.load", start, AT.x87Results + RESULT_WORDS[name] * size);
}

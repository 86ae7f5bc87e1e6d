// Square root. SDM vol. 2A, FSQRT.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { multiplyHigh } from "../emit/wide-multiply.ts";
import { bitsIf, giveBackExact, giveBackInvalid, noteOrGiveUp, propagateNan } from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  INTEGER_BIT,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  isNormal,
  isZero,
  loadExtended,
  normalize,
  storeExtended,
  variableExtended,
} from "./extended.ts";
import { giveBackRounded } from "./round.ts";
import { FSW } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** The square root of x. Parameters: pointers to x and the destination. */
export const squareRoot: Subroutine = {
  name: "x87SquareRoot",
  params: ["i32", "i32"],
  result: "i32",
  body(b, pointer, destination) {
    const x = loadExtended(b, pointer!);
    const ready = variableExtended(b, x);
    b.when(b.isFalse(b.both(isNormal(b, x), b.eqz(x.sign))), () => {
      special(b, x, pointer!, destination!);
      ready.set(normalize(b, x));
    });
    const { exponent, significand } = ready.get();
    // The significand as a number of 127 or 128 bits, so that the exponent is even.
    const unbiased = b.sub(exponent, b.const(BIAS));
    const even = b.bool(b.eqz(b.and(unbiased, b.const(1))));
    const high = b.shr(significand, even);
    const low = b.shl(b.and(significand, even), b.const(63));
    const { root, fraction } = rootOf(b, high, low);
    const halved = b.add(b.sar(unbiased, b.const(1)), b.const(BIAS));
    giveBackRounded(b, { sign: b.const(0), exponent: halved, significand: root }, fraction, destination!);
  },
};

function special(b: IrBuilder, x: Extended, pointer: Val, destination: Val): void {
  b.when(isNanOrUnsupported(b, x), () => giveBack(b, callSubroutine(b, propagateNan, pointer, pointer, destination)));
  b.when(isZero(b, x), () => {
    storeExtended(b, destination, x);
    giveBackExact(b);
  });
  b.when(b.ne(x.sign, b.const(0)), () => giveBackInvalid(b, destination));
  noteOrGiveUp(b, bitsIf(b, isDenormal(b, x), FSW.DE));
  b.when(isInfinite(b, x), () => {
    storeExtended(b, destination, x);
    giveBackExact(b);
  });
}

/** A number of two words. */
interface Wide {
  readonly high: Val;
  readonly low: Val;
}

/**
 * The root of a number of 127 or 128 bits, rounded down, and what lies below. The root of a double gives 52 bits, one
 * step of Newton's method all 64 but for the last two units, which are counted up.
 */
function rootOf(b: IrBuilder, high: Val, low: Val): { root: Val; fraction: Val } {
  const float = b.op("f64.mul", b.op("f64.sqrt", b.op("f64.convert_i64_u", high)), b.float64(2 ** 32));
  const estimate = b.op("i64.trunc_sat_f64_u", float);
  const error = subtractSquare(b, { high, low }, estimate);
  const errorFloat = b.op(
    "f64.add",
    b.op("f64.mul", b.op("f64.convert_i64_s", error.high), b.float64(2 ** 64)),
    b.op("f64.convert_i64_u", error.low),
  );
  const step = b.op("f64.div", errorFloat, b.op("f64.add", float, float));
  const below = b.sub(b.op("i64.trunc_sat_f64_s", b.op("f64.floor", step)), b.const(1));
  const root = b.variable(b.add(estimate, below));
  const rest = subtractSquare(b, { high, low }, b.get(root));
  const restHigh = b.variable(rest.high);
  const restLow = b.variable(rest.low);
  b.loop((loop) => {
    // (root + 1)^2 is 2 root + 1 more than root^2.
    const current = b.get(root);
    const [twiceHigh, twiceLow] = [b.shr(current, b.const(63)), b.shl(current, b.const(1))];
    const lowEnough = b.isFalse(b.ltU(twiceLow, b.get(restLow)));
    const sameHigh = b.both(b.eq(b.get(restHigh), twiceHigh), lowEnough);
    b.when(b.either(b.ltS(b.get(restHigh), twiceHigh), sameHigh), () => loop.break());
    const more = b.or(twiceLow, b.const(1));
    const borrow = b.bool(b.ltU(b.get(restLow), more));
    b.set(restHigh, b.sub(b.sub(b.get(restHigh), twiceHigh), borrow));
    b.set(restLow, b.sub(b.get(restLow), more));
    b.set(root, b.add(current, b.const(1)));
    loop.continue();
  });
  // The number is above (root + 1/2)^2 if the rest is greater than the root; equal it cannot be.
  const moreThanHalf = b.either(b.ne(b.get(restHigh), b.const(0)), b.ltU(b.get(root), b.get(restLow)));
  const fraction = b.select(moreThanHalf, b.const(INTEGER_BIT | 1n), b.const(1));
  const exact = b.eqz(b.or(b.get(restHigh), b.get(restLow)));
  return { root: b.get(root), fraction: b.select(exact, b.const(0), fraction) };
}

/** number - root^2, signed. */
function subtractSquare(b: IrBuilder, number: Wide, root: Val): Wide {
  const low = b.mul(root, root);
  const borrow = b.bool(b.ltU(number.low, low));
  const high = multiplyHigh(b, root, root);
  return { high: b.sub(b.sub(number.high, high), borrow), low: b.sub(number.low, low) };
}

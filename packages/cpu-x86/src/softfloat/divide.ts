// Division. SDM vol. 2A, FDIV.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { giveBackExact, giveBackInvalid, noteOrGiveUp } from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  INTEGER_BIT,
  isInfinite,
  isZero,
  loadExtended,
  storeInfinity,
  storeZero,
} from "./extended.ts";
import { prepare } from "./operands.ts";
import { giveBackRounded } from "./round.ts";
import { FSW } from "./status-word.ts";
import type { Subroutine } from "./subroutine.ts";

/** x / y. Parameters: pointers to x, y and the destination, flags of reading the operands. */
export const divide: Subroutine = {
  name: "x87Divide",
  params: ["i32", "i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination, extra) {
    const operands = {
      x: loadExtended(b, pointerX!),
      y: loadExtended(b, pointerY!),
      pointers: [pointerX!, pointerY!],
      destination: destination!,
      extra: extra!,
    } as const;
    const { x, y } = prepare(b, operands, (noteDenormals) =>
      special(b, operands.x, operands.y, destination!, noteDenormals),
    );
    // The dividend is halved where the quotient would have 65 bits.
    const halve = b.bool(b.isFalse(b.ltU(x.significand, y.significand)));
    const high = b.shr(x.significand, halve);
    const low = b.shl(b.and(x.significand, halve), b.const(63));
    const { quotient, remainder } = divideWide(b, high, low, y.significand);
    const exponent = b.add(b.sub(x.exponent, y.exponent), b.add(b.const(BIAS - 1), halve));
    const number = { sign: b.xor(x.sign, y.sign), exponent, significand: quotient };
    giveBackRounded(b, number, fractionOf(b, remainder, y.significand), destination!);
  },
};

function special(b: IrBuilder, x: Extended, y: Extended, destination: Val, noteDenormals: () => void): void {
  const [xInfinite, yInfinite] = [isInfinite(b, x), isInfinite(b, y)];
  const [xZero, yZero] = [isZero(b, x), isZero(b, y)];
  const sign = b.xor(x.sign, y.sign);
  b.when(b.either(b.both(xInfinite, yInfinite), b.both(xZero, yZero)), () => giveBackInvalid(b, destination));
  b.when(b.both(yZero, b.isFalse(xInfinite)), () => {
    noteOrGiveUp(b, b.const32(FSW.ZE));
    storeInfinity(b, destination, sign);
    giveBackExact(b);
  });
  noteDenormals();
  b.when(xInfinite, () => {
    storeInfinity(b, destination, sign);
    giveBackExact(b);
  });
  b.when(b.either(xZero, yInfinite), () => {
    storeZero(b, destination, sign);
    giveBackExact(b);
  });
}

/**
 * The 64-bit quotient and the remainder of `high:low` by a normalized `divisor` greater than `high`: schoolbook
 * division with digits of 32 bits. Knuth, The Art of Computer Programming, vol. 2, "Multiple-Precision Arithmetic".
 */
export function divideWide(
  b: IrBuilder,
  high: Val,
  low: Val,
  divisor: Val,
): { readonly quotient: Val; readonly remainder: Val } {
  const first = divideDigit(b, high, b.shr(low, b.const(32)), divisor);
  const second = divideDigit(b, first.remainder, b.zext(low, 32), divisor);
  return { quotient: b.or(b.shl(first.digit, b.const(32)), second.digit), remainder: second.remainder };
}

/** One digit: `rest`:`next` by `divisor`. The estimate from the divisor's upper half is at most two too great. */
function divideDigit(b: IrBuilder, rest: Val, next: Val, divisor: Val): { digit: Val; remainder: Val } {
  const upper = b.shr(divisor, b.const(32));
  const lower = b.zext(divisor, 32);
  const estimate = b.op("i64.div_u", rest, upper);
  const digit = b.variable(estimate);
  const spare = b.variable(b.sub(rest, b.mul(estimate, upper)));
  const isTooGreat = (): Val => {
    const against = b.or(b.shl(b.get(spare), b.const(32)), next);
    const beyond = b.isFalse(b.eqz(b.shr(b.get(digit), b.const(32))));
    return b.either(beyond, b.ltU(against, b.mul(b.get(digit), lower)));
  };
  const decrement = (): void => {
    b.set(digit, b.sub(b.get(digit), b.const(1)));
    b.set(spare, b.add(b.get(spare), upper));
  };
  b.when(isTooGreat(), () => {
    decrement();
    b.when(b.eqz(b.shr(b.get(spare), b.const(32))), () => b.when(isTooGreat(), decrement));
  });
  const whole = b.add(b.shl(rest, b.const(32)), next);
  return { digit: b.get(digit), remainder: b.sub(whole, b.mul(b.get(digit), divisor)) };
}

/** What a remainder is worth below the quotient; it is never exactly half the divisor. */
function fractionOf(b: IrBuilder, remainder: Val, divisor: Val): Val {
  const moreThanHalf = b.isFalse(b.ltU(remainder, b.sub(divisor, remainder)));
  const fraction = b.select(moreThanHalf, b.const(INTEGER_BIT | 1n), b.const(1));
  return b.select(b.eqz(remainder), b.const(0), fraction);
}

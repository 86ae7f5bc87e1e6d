// Multiplication. SDM vol. 2A, FMUL.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { multiplyHigh } from "../emit/wide-multiply.ts";
import { giveBackExact, giveBackInvalid } from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  isInfinite,
  isNormalized,
  isZero,
  loadExtended,
  storeInfinity,
  storeZero,
} from "./extended.ts";
import { prepare } from "./operands.ts";
import { giveBackRounded } from "./round.ts";
import type { Subroutine } from "./subroutine.ts";

/** x * y. Parameters: pointers to x, y and the destination, flags of reading the operands. */
export const multiply: Subroutine = {
  name: "x87Multiply",
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
    const high = multiplyHigh(b, x.significand, y.significand);
    const low = b.mul(x.significand, y.significand);
    // The product of two numbers from 1 to below 2 is below 4; below 2 the upper half lacks its integer bit.
    const small = b.bool(b.isFalse(isNormalized(b, high)));
    const carried = b.and(b.shr(low, b.const(63)), small);
    const exponent = b.sub(b.add(x.exponent, y.exponent), b.add(b.const(BIAS - 1), small));
    const significand = b.or(b.shl(high, small), carried);
    giveBackRounded(b, { sign: b.xor(x.sign, y.sign), exponent, significand }, b.shl(low, small), destination!);
  },
};

function special(b: IrBuilder, x: Extended, y: Extended, destination: Val, noteDenormals: () => void): void {
  const infinite = b.either(isInfinite(b, x), isInfinite(b, y));
  const zero = b.either(isZero(b, x), isZero(b, y));
  const sign = b.xor(x.sign, y.sign);
  b.when(b.both(infinite, zero), () => giveBackInvalid(b, destination));
  noteDenormals();
  b.when(infinite, () => {
    storeInfinity(b, destination, sign);
    giveBackExact(b);
  });
  b.when(zero, () => {
    storeZero(b, destination, sign);
    giveBackExact(b);
  });
}

// Addition and subtraction. SDM vol. 2A, FADD and FSUB.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { giveBackExact, giveBackInvalid } from "./exceptions.ts";
import { type Extended, INTEGER_BIT, isInfinite, isZero, loadExtended, storeInfinity, storeZero } from "./extended.ts";
import { prepare } from "./operands.ts";
import { giveBackRounded, signOfZeroSum } from "./round.ts";
import type { Subroutine } from "./subroutine.ts";

/** x + y, or x - y. Parameters: pointers to x, y and the destination, 1 to subtract (i64), flags of reading operands. */
export const add: Subroutine = {
  name: "x87Add",
  params: ["i32", "i32", "i32", "i64", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination, subtract, extra) {
    const loaded = loadExtended(b, pointerY!);
    const operands = {
      x: loadExtended(b, pointerX!),
      y: { ...loaded, sign: b.xor(loaded.sign, subtract!) },
      pointers: [pointerX!, pointerY!],
      destination: destination!,
      extra: extra!,
    } as const;
    const { x, y } = prepare(b, operands, (noteDenormals) =>
      special(b, operands.x, operands.y, destination!, noteDenormals),
    );
    const swap = b.ltS(x.exponent, y.exponent);
    const pick = (part: keyof Extended, whenSwapped: Extended, otherwise: Extended): Val =>
      b.select(swap, whenSwapped[part], otherwise[part]);
    const large = {
      sign: pick("sign", y, x),
      exponent: pick("exponent", y, x),
      significand: pick("significand", y, x),
    };
    const distance = b.sub(large.exponent, pick("exponent", x, y));
    const small = align(b, pick("significand", x, y), distance);
    b.when(
      b.eq(x.sign, y.sign),
      () => addMagnitudes(b, large, small, destination!),
      () => subtractMagnitudes(b, large, small, destination!),
    );
  },
};

/** A significand moved under one with a greater exponent. */
interface Aligned {
  readonly significand: Val;
  readonly fraction: Val;
}

function align(b: IrBuilder, significand: Val, distance: Val): Aligned {
  const high = b.variable(b.shr(significand, distance));
  // Two shifts, because one by 64 would be one by 0.
  const low = b.variable(b.shl(b.shl(significand, b.const(1)), b.sub(b.const(63), distance)));
  b.when(b.isFalse(b.ltU(distance, b.const(64))), () => {
    // After a subtraction that cancels a bit all 64 bits below may count, so they are kept while there are any.
    const lost = b.shl(b.shl(significand, b.const(1)), b.sub(b.const(127), distance));
    const near = b.or(b.shr(significand, b.sub(distance, b.const(64))), b.bool(b.ne(lost, b.const(0))));
    b.set(high, b.const(0));
    b.set(low, b.select(b.ltU(distance, b.const(128)), near, b.bool(b.ne(significand, b.const(0)))));
  });
  return { significand: b.get(high), fraction: b.get(low) };
}

function special(b: IrBuilder, x: Extended, y: Extended, destination: Val, noteDenormals: () => void): void {
  const [xInfinite, yInfinite] = [isInfinite(b, x), isInfinite(b, y)];
  const opposite = b.ne(x.sign, y.sign);
  b.when(b.both(b.both(xInfinite, yInfinite), opposite), () => giveBackInvalid(b, destination));
  noteDenormals();
  b.when(b.either(xInfinite, yInfinite), () => {
    storeInfinity(b, destination, b.select(xInfinite, x.sign, y.sign));
    giveBackExact(b);
  });
  b.when(b.both(isZero(b, x), isZero(b, y)), () => {
    storeZero(b, destination, b.select(opposite, signOfZeroSum(b), x.sign));
    giveBackExact(b);
  });
}

function addMagnitudes(b: IrBuilder, large: Extended, small: Aligned, destination: Val): void {
  const sum = b.add(large.significand, small.significand);
  const carry = b.ltU(sum, large.significand);
  const sticky = b.and(small.fraction, b.const(1));
  const shifted = b.or(b.or(b.shl(sum, b.const(63)), b.shr(small.fraction, b.const(1))), sticky);
  const significand = b.select(carry, b.or(b.shr(sum, b.const(1)), b.const(INTEGER_BIT)), sum);
  const exponent = b.add(large.exponent, b.bool(carry));
  giveBackRounded(
    b,
    { sign: large.sign, exponent, significand },
    b.select(carry, shifted, small.fraction),
    destination,
  );
}

function subtractMagnitudes(b: IrBuilder, large: Extended, small: Aligned, destination: Val): void {
  // With equal exponents "large" may be the smaller one: the difference is negated then, and nothing lies below it.
  const negative = b.ltU(large.significand, small.significand);
  const borrow = b.bool(b.ne(small.fraction, b.const(0)));
  const plain = b.sub(b.sub(large.significand, small.significand), borrow);
  const difference = b.select(negative, b.sub(b.const(0), plain), plain);
  const fraction = b.sub(b.const(0), small.fraction);
  b.when(b.eqz(b.or(difference, fraction)), () => {
    storeZero(b, destination, signOfZeroSum(b));
    giveBackExact(b);
  });
  const high = b.variable(difference);
  const low = b.variable(fraction);
  const exponent = b.variable(large.exponent);
  b.when(b.eqz(difference), () => {
    b.set(high, fraction);
    b.set(low, b.const(0));
    b.set(exponent, b.sub(large.exponent, b.const(64)));
  });
  const top = b.get(high);
  const below = b.get(low);
  const shift = b.op("i64.clz", top);
  // Two shifts again: none of 64.
  const moved = b.shr(b.shr(below, b.const(1)), b.sub(b.const(63), shift));
  const sign = b.xor(large.sign, b.bool(negative));
  const significand = b.or(b.shl(top, shift), moved);
  giveBackRounded(b, { sign, exponent: b.sub(b.get(exponent), shift), significand }, b.shl(below, shift), destination);
}

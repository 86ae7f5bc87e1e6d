// Exponents and significands apart. SDM vol. 2A, FSCALE and FXTRACT.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { bitsIf, giveBackExact, giveBackInvalid, noteOrGiveUp, propagateNan } from "./exceptions.ts";
import {
  BIAS,
  type Extended,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  isZero,
  loadExtended,
  normalize,
  storeExtended,
  storeInfinity,
  storeZero,
} from "./extended.ts";
import { fromInteger } from "./integer.ts";
import { prepare } from "./operands.ts";
import { giveBackRoundedFully } from "./round.ts";
import { FSW } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** From here on any number overflows or underflows. */
const FAR = 0x1_0000;

/** x * 2^y, y truncated to an integer. Parameters: pointers to x, y and the destination. */
export const scale: Subroutine = {
  name: "x87Scale",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination) {
    const operands = {
      x: loadExtended(b, pointerX!),
      y: loadExtended(b, pointerY!),
      pointers: [pointerX!, pointerY!],
      destination: destination!,
      extra: b.const32(0),
    } as const;
    const { x, y } = prepare(b, operands, (noteDenormals) =>
      scaleSpecial(b, operands.x, operands.y, destination!, noteDenormals),
    );
    const unbiased = b.sub(y.exponent, b.const(BIAS));
    const isFraction = b.ltS(unbiased, b.const(0));
    const isFar = b.ltS(b.const(15), unbiased);
    const integer = b.shr(y.significand, b.sub(b.const(63), unbiased));
    const magnitude = b.select(isFraction, b.const(0), b.select(isFar, b.const(FAR), integer));
    const by = b.select(b.wrap(y.sign), b.sub(b.const(0), magnitude), magnitude);
    giveBackRoundedFully(b, { ...x, exponent: b.add(x.exponent, by) }, b.const(0), destination!);
  },
};

function scaleSpecial(b: IrBuilder, x: Extended, y: Extended, destination: Val, noteDenormals: () => void): void {
  const [xInfinite, yInfinite] = [isInfinite(b, x), isInfinite(b, y)];
  const down = b.wrap(y.sign);
  const zeroUp = b.both(isZero(b, x), b.isFalse(down));
  b.when(b.both(yInfinite, b.either(b.both(xInfinite, down), zeroUp)), () => giveBackInvalid(b, destination));
  noteDenormals();
  b.when(b.either(xInfinite, isZero(b, x)), () => {
    storeExtended(b, destination, x);
    giveBackExact(b);
  });
  b.when(yInfinite, () => {
    b.when(
      down,
      () => storeZero(b, destination, x.sign),
      () => storeInfinity(b, destination, x.sign),
    );
    giveBackExact(b);
  });
}

/** The exponent of x as a number, and its significand. Parameters: pointers to x, the one and the other destination. */
export const extract: Subroutine = {
  name: "x87Extract",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body(b, pointer, exponentTo, significandTo) {
    const x = loadExtended(b, pointer!);
    const copyTo = significandTo!;
    b.when(isNanOrUnsupported(b, x), () => {
      const stored = callSubroutine(b, propagateNan, pointer!, pointer!, copyTo);
      b.when(stored, () => storeExtended(b, exponentTo!, loadExtended(b, copyTo)));
      giveBack(b, stored);
    });
    b.when(isZero(b, x), () => {
      noteOrGiveUp(b, b.const32(FSW.ZE));
      storeExtended(b, copyTo, x);
      storeInfinity(b, exponentTo!, b.const(1));
      giveBackExact(b);
    });
    b.when(isInfinite(b, x), () => {
      storeExtended(b, copyTo, x);
      storeInfinity(b, exponentTo!, b.const(0));
      giveBackExact(b);
    });
    noteOrGiveUp(b, bitsIf(b, isDenormal(b, x), FSW.DE));
    const { sign, exponent, significand } = normalize(b, x);
    storeExtended(b, copyTo, { sign, exponent: b.const(BIAS), significand });
    storeExtended(b, exponentTo!, fromInteger(b, b.sub(exponent, b.const(BIAS))));
    giveBackExact(b);
  },
};

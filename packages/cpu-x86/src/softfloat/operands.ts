// What binary operations do alike before they compute: NaNs, denormals, and the way past all that for normal numbers.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { bitsIf, noteOrGiveUp, propagateNan, together } from "./exceptions.ts";
import {
  type Extended,
  type ExtendedVariable,
  isDenormal,
  isNanOrUnsupported,
  isNormal,
  normalize,
  variableExtended,
} from "./extended.ts";
import { FSW } from "./status-word.ts";
import { callSubroutine, giveBack } from "./subroutine.ts";

/** A pair of operands, the pointers they came from, and where the result goes. */
export interface Operands {
  readonly x: Extended;
  readonly y: Extended;
  readonly pointers: readonly [x: Val, y: Val];
  readonly destination: Val;
  /** Flags (i32) that reading the operands raised: DE of a memory operand that was denormal in its own format. */
  readonly extra: Val;
}

/**
 * The operands ready to compute with: finite and normalized. Two normal ones are so at once; for all others `special`
 * is asked, except NaNs, which are settled here. It ends the subroutine for infinities and for the zeros it cannot
 * compute with, and calls `noteDenormals` as soon as no invalid operation or division by zero can come first.
 */
export function prepare(
  b: IrBuilder,
  operands: Operands,
  special: (noteDenormals: () => void) => void,
): { x: Extended; y: Extended } {
  const { x, y, pointers, destination, extra } = operands;
  const [ready, other]: readonly [ExtendedVariable, ExtendedVariable] = [
    variableExtended(b, x),
    variableExtended(b, y),
  ];
  const usual = b.both(b.both(isNormal(b, x), isNormal(b, y)), b.op("i32.eqz", extra));
  b.when(b.isFalse(usual), () => {
    b.when(b.either(isNanOrUnsupported(b, x), isNanOrUnsupported(b, y)), () =>
      giveBack(b, callSubroutine(b, propagateNan, ...pointers, destination)),
    );
    special(() => noteDenormals(b, x, y, extra));
    ready.set(normalize(b, x));
    other.set(normalize(b, y));
  });
  return { x: ready.get(), y: other.get() };
}

/** DE if an operand is denormal. */
function noteDenormals(b: IrBuilder, x: Extended, y: Extended, extra: Val): void {
  const denormal = bitsIf(b, b.either(isDenormal(b, x), isDenormal(b, y)), FSW.DE);
  noteOrGiveUp(b, together(b, denormal, extra));
}

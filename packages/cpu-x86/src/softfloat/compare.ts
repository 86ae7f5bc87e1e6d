// Comparison and classification. SDM vol. 2A, FCOM, FUCOM, FTST and FXAM.
import type { IrBuilder, Val, Variable } from "@tsvm/tcg";
import { bitsIf, noteExceptions, together } from "./exceptions.ts";
import {
  type Extended,
  isDenormal,
  isInfinite,
  isNan,
  isNanOrUnsupported,
  isNormal,
  isSignaling,
  isUnsupported,
  isZero,
  loadExtended,
} from "./extended.ts";
import { FSW } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/** Condition codes as FCOM sets them. SDM vol. 2A, FCOM, "Comparison Results". */
export const RELATION = { greater: 0, less: FSW.C0, equal: FSW.C3, unordered: FSW.C0 | FSW.C2 | FSW.C3 } as const;
/** Added to a relation: an exception was unmasked, and the stack may not be popped. */
export const UNMASKED: number = 1 << 16;

/**
 * Compares x with y. Parameters: pointers to both, flags of reading the operands, 1 if quiet NaNs are not invalid.
 * @returns a value of {@link RELATION}, perhaps with {@link UNMASKED}.
 */
export const compare: Subroutine = {
  name: "x87Compare",
  params: ["i32", "i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, extra, quiet) {
    const x = loadExtended(b, pointerX!);
    const y = loadExtended(b, pointerY!);
    const unmasked = b.variable(b.const32(0));
    const usual = b.both(b.both(isNormal(b, x), isNormal(b, y)), b.op("i32.eqz", extra!));
    b.when(b.isFalse(usual), () => special(b, x, y, { extra: extra!, quiet: quiet!, unmasked }));
    giveBack(b, together(b, relationOf(b, x, y), b.get(unmasked)));
  },
};

function special(
  b: IrBuilder,
  x: Extended,
  y: Extended,
  { extra, quiet, unmasked }: { extra: Val; quiet: Val; unmasked: Variable },
): void {
  const noteAll = (flags: Val): void =>
    b.when(b.isFalse(callSubroutine(b, noteExceptions, flags)), () => b.set(unmasked, b.const32(UNMASKED)));
  b.when(b.either(isNanOrUnsupported(b, x), isNanOrUnsupported(b, y)), () => {
    const unsupported = b.either(isUnsupported(b, x), isUnsupported(b, y));
    const signaling = b.either(isSignaling(b, x), isSignaling(b, y));
    const invalid = b.either(b.either(unsupported, signaling), b.op("i32.eqz", quiet));
    noteAll(bitsIf(b, invalid, FSW.IE));
    giveBack(b, together(b, b.const32(RELATION.unordered), b.get(unmasked)));
  });
  noteAll(together(b, extra, bitsIf(b, b.either(isDenormal(b, x), isDenormal(b, y)), FSW.DE)));
}

/** The relation of two numbers that are no NaNs. */
function relationOf(b: IrBuilder, x: Extended, y: Extended): Val {
  // Pseudo-denormals have the exponent 0 and mean 1, as denormals do.
  const exponent = (v: Extended): Val => b.add(v.exponent, b.bool(b.eqz(v.exponent)));
  const [ex, ey] = [exponent(x), exponent(y)];
  const sameExponent = b.eq(ex, ey);
  const smallerMagnitude = b.select(sameExponent, b.ltU(x.significand, y.significand), b.ltS(ex, ey));
  const bothZero = b.both(isZero(b, x), isZero(b, y));
  const sameSign = b.eq(x.sign, y.sign);
  const sameMagnitude = b.both(sameExponent, b.eq(x.significand, y.significand));
  const equal = b.either(bothZero, b.both(sameSign, sameMagnitude));
  const negative = b.wrap(x.sign);
  const less = b.select(sameSign, b.op("i32.xor", smallerMagnitude, negative), negative);
  const ordered = b.select(less, b.const32(RELATION.less), b.const32(RELATION.greater));
  return b.select(equal, b.const32(RELATION.equal), ordered);
}

/** The class of a register's number, empty or not, and its sign in C1. SDM vol. 2A, FXAM, "FXAM Results". */
export function examine(b: IrBuilder, x: Extended, empty: Val): Val {
  const kinds: readonly [Val, number][] = [
    [empty, FSW.C0 | FSW.C3],
    [isUnsupported(b, x), 0],
    [isNan(b, x), FSW.C0],
    [isInfinite(b, x), FSW.C0 | FSW.C2],
    [isZero(b, x), FSW.C3],
    [isDenormal(b, x), FSW.C2 | FSW.C3],
  ];
  const kind = kinds.reduceRight((rest, [is, code]) => b.select(is, b.const32(code), rest), b.const32(FSW.C2));
  return together(b, kind, bitsIf(b, b.wrap(x.sign), FSW.C1));
}

// Partial remainders. SDM vol. 2A, FPREM and FPREM1.
import type { IrBuilder, Val, Variable } from "@tsvm/tcg";
import { AT } from "../state/layout.ts";
import { bitsIf, bitsOf, giveBackInvalid, loadControl, loadStatus, together } from "./exceptions.ts";
import { type Extended, isInfinite, isZero, loadExtended, normalize, storeZero } from "./extended.ts";
import { prepare } from "./operands.ts";
import { roundAndStore } from "./round.ts";
import { FSW, PRECISION } from "./status-word.ts";
import { callSubroutine, giveBack, type Subroutine } from "./subroutine.ts";

/**
 * x - q * y with q = x / y truncated, or rounded to the nearest integer; if the exponents are 64 or more apart only a
 * part of q is taken off, and C2 is set. Parameters: pointers to x, y and the destination, 1 to round to nearest.
 */
export const remainder: Subroutine = {
  name: "x87Remainder",
  params: ["i32", "i32", "i32", "i32"],
  result: "i32",
  body(b, pointerX, pointerY, destination, nearest) {
    const operands = {
      x: loadExtended(b, pointerX!),
      y: loadExtended(b, pointerY!),
      pointers: [pointerX!, pointerY!],
      destination: destination!,
      extra: b.const32(0),
    } as const;
    const { x, y } = prepare(b, operands, (noteDenormals) =>
      special(b, operands.x, operands.y, destination!, noteDenormals),
    );
    const distance = b.sub(x.exponent, y.exponent);
    const partial = b.ltS(b.const(63), distance);
    // How many quotient bits a partial step takes is the maker's choice within 32 to 63.
    const steps = b.select(partial, b.or(b.and(distance, b.const(31)), b.const(32)), distance);
    const exponent = b.variable(b.sub(x.exponent, steps));
    const state: Division = {
      rest: b.variable(x.significand),
      quotient: b.variable(b.const(0)),
      negate: b.variable(b.const(0)),
    };
    b.when(
      b.ltS(steps, b.const(0)),
      () => b.set(exponent, x.exponent),
      () => divideBits(b, state, y.significand, steps),
    );
    const whole = b.both(nearest!, b.isFalse(partial));
    b.when(whole, () => roundQuotient(b, state, x, y, distance));
    const number = {
      sign: b.xor(x.sign, b.get(state.negate)),
      exponent: b.get(exponent),
      significand: b.get(state.rest),
    };
    store(b, number, destination!);
    const codes = b.select(partial, b.const32(FSW.C2), quotientCodes(b, b.get(state.quotient)));
    b.store("i32.store", undefined, AT.fpuStatus, together(b, bitsOf(b, loadStatus(b), ~CODES), codes));
    giveBack(b, b.const32(1));
  },
};

const CODES = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;

/** A division under way. */
interface Division {
  readonly rest: Variable;
  readonly quotient: Variable;
  /** 1 when the rest's sign is turned. */
  readonly negate: Variable;
}

function special(b: IrBuilder, x: Extended, y: Extended, destination: Val, noteDenormals: () => void): void {
  b.when(b.either(isInfinite(b, x), isZero(b, y)), () => giveBackInvalid(b, destination));
  noteDenormals();
  b.when(b.either(isInfinite(b, y), isZero(b, x)), () => {
    store(b, normalize(b, x), destination);
    b.store("i32.store", undefined, AT.fpuStatus, bitsOf(b, loadStatus(b), ~CODES));
    giveBack(b, b.const32(1));
  });
}

/** `steps` + 1 quotient bits, one after the other. */
function divideBits(b: IrBuilder, { rest, quotient }: Division, divisor: Val, steps: Val): void {
  const left = b.variable(steps);
  const carry = b.variable(b.const(0));
  b.loop((loop) => {
    const current = b.get(rest);
    const fits = b.either(b.wrap(b.get(carry)), b.isFalse(b.ltU(current, divisor)));
    b.set(rest, b.sub(current, b.select(fits, divisor, b.const(0))));
    b.set(quotient, b.or(b.shl(b.get(quotient), b.const(1)), b.bool(fits)));
    b.when(b.eqz(b.get(left)), () => loop.break());
    b.set(left, b.sub(b.get(left), b.const(1)));
    b.set(carry, b.shr(b.get(rest), b.const(63)));
    b.set(rest, b.shl(b.get(rest), b.const(1)));
    loop.continue();
  });
}

/** One more of the divisor if that leaves a smaller rest, or one as great and an even quotient. */
function roundQuotient(b: IrBuilder, state: Division, x: Extended, y: Extended, distance: Val): void {
  const takeOneMore = (rest: Val): void => {
    b.set(state.rest, rest);
    b.set(state.negate, b.const(1));
    b.set(state.quotient, b.add(b.get(state.quotient), b.const(1)));
  };
  // With x below y its half counts: x / y is above 1/2 only if the exponents differ by one and x's significand is greater.
  const justBelow = b.both(b.eq(distance, b.const(-1)), b.ltU(y.significand, x.significand));
  b.when(justBelow, () => takeOneMore(b.add(b.sub(y.significand, x.significand), y.significand)));
  b.when(b.isFalse(b.ltS(distance, b.const(0))), () => {
    const rest = b.get(state.rest);
    const other = b.sub(y.significand, rest);
    const odd = b.wrap(b.and(b.get(state.quotient), b.const(1)));
    const more = b.either(b.ltU(other, rest), b.both(b.eq(other, rest), odd));
    b.when(more, () => takeOneMore(other));
  });
}

/** Exact, but it may be denormal. */
function store(b: IrBuilder, x: Extended, destination: Val): void {
  const shift = b.op("i64.clz", x.significand);
  b.when(
    b.eqz(x.significand),
    () => storeZero(b, destination, x.sign),
    () => {
      const control = together(b, loadControl(b), b.const32(PRECISION.extended));
      const [exponent, significand] = [b.sub(x.exponent, shift), b.shl(x.significand, shift)];
      callSubroutine(b, roundAndStore, x.sign, exponent, significand, b.const(0), destination, control);
    },
  );
}

/** The low three bits of the quotient: C1, C3, C0 from bit 0 up. */
function quotientCodes(b: IrBuilder, quotient: Val): Val {
  const bit = (position: number, code: number): Val => bitsIf(b, b.wrap(b.and(quotient, b.const(1 << position))), code);
  return together(b, bit(0, FSW.C1), bit(1, FSW.C3), bit(2, FSW.C0));
}

// Packed decimal integers. SDM vol. 2A, FBLD and FBSTP; vol. 1, "BCD and Packed BCD Integers".
import { giveBack, type Subroutine } from "./subroutine.ts";

/** Digits in a 64-bit word. */
const DIGITS = 16;

/** Sixteen packed decimal digits as an integer. Digits above 9 count as they are. */
export const fromDecimal: Subroutine = {
  name: "x87FromDecimal",
  params: ["i64"],
  result: "i64",
  body(b, packed) {
    const value = b.variable(b.const(0));
    const rest = b.variable(packed!);
    const left = b.variable(b.const32(DIGITS));
    b.loop((loop) => {
      const digit = b.op("i64.shr_u", b.get(rest), b.const(60));
      b.set(value, b.add(b.mul(b.get(value), b.const(10)), digit));
      b.set(rest, b.shl(b.get(rest), b.const(4)));
      b.set(left, b.op("i32.sub", b.get(left), b.const32(1)));
      b.when(b.get(left), () => loop.continue());
      loop.break();
    });
    giveBack(b, b.get(value));
  },
};

/** The lowest sixteen decimal digits of an unsigned integer, packed. */
export const toDecimal: Subroutine = {
  name: "x87ToDecimal",
  params: ["i64"],
  result: "i64",
  body(b, integer) {
    const packed = b.variable(b.const(0));
    const rest = b.variable(integer!);
    const left = b.variable(b.const32(DIGITS));
    b.loop((loop) => {
      const current = b.get(rest);
      const tenth = b.op("i64.div_u", current, b.const(10));
      const digit = b.sub(current, b.mul(tenth, b.const(10)));
      // Digits come in from the top: after sixteen of them the first is the lowest.
      b.set(packed, b.op("i64.rotr", b.or(b.get(packed), digit), b.const(4)));
      b.set(rest, tenth);
      b.set(left, b.op("i32.sub", b.get(left), b.const32(1)));
      b.when(b.get(left), () => loop.continue());
      loop.break();
    });
    giveBack(b, b.get(packed));
  },
};

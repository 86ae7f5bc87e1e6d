// SHL SHR SAR ROL ROR RCL RCR SHLD SHRD. SDM vol. 2, the instruction of each name.
//
// Flags are given as the carry word of emit/flags.ts: bit 63 is CF, bit 62 is CF xor OF. OF is defined for a count of 1
// only; the formulas used here give it the value they have at 1 for every count, as processors do.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, row, type Semantics } from "./row.ts";

const MSB = -0x8000_0000_0000_0000n;
const BIT62 = 0x4000_0000_0000_0000n;

/** What a shift makes of its operand, for counts that are not 0; with count 0 `result` is still the operand. */
interface Shifted {
  readonly result: Val;
  readonly carryWord: Val;
}
type Shift = (b: X86Builder, width: number, x: Val, count: Val) => Shifted;

/** The count modulo 32, or 64 for 64-bit operands. */
function maskedCount(b: X86Builder, width: number, count: Operand): Val {
  return b.and(count.load(), b.const(width === 64 ? 63 : 31));
}

/** DEST <- shift of DEST; a masked count of 0 leaves the flags alone but writes DEST like any other. */
function apply(b: X86Builder, dst: Operand, count: Val, shifted: Shifted, setFlags: () => void): void {
  dst.store(shifted.result);
  b.when(b.ne(count, b.const(0)), setFlags);
}

const shifting =
  (shift: Shift): Semantics =>
  (b, dst, src) => {
    const { width } = dst!;
    const x = dst!.modify();
    const count = maskedCount(b, width, src!);
    const shifted = shift(b, width, x, count);
    apply(b, dst!, count, shifted, () => b.flags.shift(width, shifted.result, shifted.carryWord));
  };

/** As shifting, but SF ZF AF PF stay. */
const rotating =
  (rotate: Shift): Semantics =>
  (b, dst, src) => {
    const { width } = dst!;
    const x = dst!.modify();
    const count = maskedCount(b, width, src!);
    const rotated = rotate(b, width, x, count);
    apply(b, dst!, count, rotated, () => b.flags.rotate(rotated.carryWord));
  };

const previous = (b: X86Builder, count: Val): Val => b.sub(count, b.const(1));

/** Carry word of a right shift whose last bit out is bit 0 of `beforeLast`; OF tells whether the last step changed the sign. */
function rightCarryWord(b: X86Builder, width: number, beforeLast: Val, result: Val): Val {
  const carry = b.shl(beforeLast, b.const(63));
  const signChange = b.shl(b.xor(beforeLast, result), b.const(64 - width));
  return b.xor(carry, b.shr(b.xor(carry, b.and(signChange, b.const(MSB))), b.const(1)));
}

const shiftLeft: Shift = (b, width, x, count) => {
  const result = b.shl(x, count);
  // Below 64 bits nothing falls out of the i64, so CF is the bit above the result.
  const carryWord = width === 64 ? b.shl(x, previous(b, count)) : b.shl(result, b.const(63 - width));
  return { result, carryWord };
};

const shiftRight: Shift = (b, width, x, count) => {
  const result = b.shr(x, count);
  return { result, carryWord: rightCarryWord(b, width, b.shr(x, previous(b, count)), result) };
};

const shiftArithmetic: Shift = (b, width, x, count) => {
  const signed = b.sext(x, width);
  const carry = b.shl(b.sar(signed, previous(b, count)), b.const(63));
  // OF is 0: both bits are CF.
  return { result: b.sar(signed, count), carryWord: b.sar(carry, b.const(1)) };
};

/** The operand repeated over 64 bits, so that one 64-bit rotation serves every width and count. */
function repeated(b: X86Builder, width: number, x: Val): Val {
  const pattern = { 8: 0x0101_0101_0101_0101n, 16: 0x0001_0001_0001_0001n, 32: 0x0000_0001_0000_0001n, 64: 1n };
  return b.mul(x, b.const(pattern[width as keyof typeof pattern]));
}

const rotateLeft: Shift = (b, width, x, count) => {
  const result = b.op("i64.rotl", repeated(b, width, x), count);
  const sign = b.and(b.shl(result, b.const(64 - width)), b.const(MSB));
  return { result, carryWord: b.or(b.shl(result, b.const(63)), b.shr(sign, b.const(1))) };
};

/** CF is the sign of the result, and OF tells whether the bit below it differs. */
const rotateRight: Shift = (b, width, x, count) => {
  const result = b.op("i64.rotr", repeated(b, width, x), count);
  return { result, carryWord: b.shl(result, b.const(64 - width)) };
};

/** CF above the operand: width + 1 bits, which fit an i64 for widths below 64. */
function withCarry(b: X86Builder, width: number, x: Val): Val {
  return b.or(x, b.shl(b.bool(b.flags.carry()), b.const(width)));
}

/** Only 8- and 16-bit counts can go around: 9 or 17 steps give the operand back. */
function carryCount(b: X86Builder, width: number, count: Val): Val {
  return width <= 16 ? b.op("i64.rem_u", count, b.const(width + 1)) : count;
}

const rotateCarryLeft: Shift = (b, width, x, count) => {
  if (width === 64) return rotateCarryLeft64(b, x, count);
  const steps = carryCount(b, width, count);
  const whole = withCarry(b, width, x);
  const result = b.or(b.shl(whole, steps), b.shr(whole, b.sub(b.const(width + 1), steps)));
  return { result, carryWord: b.shl(result, b.const(63 - width)) };
};

function rotateCarryLeft64(b: X86Builder, x: Val, count: Val): Shifted {
  const before = previous(b, count);
  const carry = b.shl(b.bool(b.flags.carry()), before);
  // x >> (65 - count), in two steps because 64 is no shift count.
  const wrapped = b.shr(b.shr(x, b.const(1)), b.sub(b.const(64), count));
  const rotated = b.or(b.or(b.shl(x, count), carry), wrapped);
  const result = b.select(b.eqz(count), x, rotated);
  const carryOut = b.and(b.shl(x, before), b.const(MSB));
  return { result, carryWord: b.or(carryOut, b.shr(b.and(result, b.const(MSB)), b.const(1))) };
}

const rotateCarryRight: Shift = (b, width, x, count) => {
  if (width === 64) return rotateCarryRight64(b, x, count);
  const steps = carryCount(b, width, count);
  const whole = withCarry(b, width, x);
  const result = b.or(b.shr(whole, steps), b.shl(whole, b.sub(b.const(width + 1), steps)));
  const top = b.shl(result, b.const(63 - width));
  return { result, carryWord: rotatedRightWord(b, top, b.shl(top, b.const(1))) };
};

function rotateCarryRight64(b: X86Builder, x: Val, count: Val): Shifted {
  const carry = b.shl(b.bool(b.flags.carry()), b.sub(b.const(64), count));
  const wrapped = b.shl(b.shl(x, b.const(1)), b.sub(b.const(64), count));
  const rotated = b.or(b.or(b.shr(x, count), carry), wrapped);
  const result = b.select(b.eqz(count), x, rotated);
  const carryOut = b.shl(b.shr(x, previous(b, count)), b.const(63));
  return { result, carryWord: rotatedRightWord(b, carryOut, result) };
}

/** CF is bit 63 of `carry`, OF tells whether bits 63 and 62 of `top` differ. */
function rotatedRightWord(b: X86Builder, carry: Val, top: Val): Val {
  const overflow = b.xor(top, b.shl(top, b.const(1)));
  const both = b.shr(b.xor(carry, overflow), b.const(1));
  return b.or(b.and(carry, b.const(MSB)), b.and(both, b.const(BIT62)));
}

/** The operands side by side. A 16-bit shift by more than 16 goes on with DEST again, as Intel's processors do. */
type DoubleShift = (b: X86Builder, width: number, x: Val, y: Val, count: Val) => Shifted;

const doubleShift =
  (shift: DoubleShift): Semantics =>
  (b, dst, fill, src) => {
    const { width } = dst!;
    const x = dst!.modify();
    const count = maskedCount(b, width, src!);
    const shifted = shift(b, width, x, fill!.load(), count);
    apply(b, dst!, count, shifted, () => b.flags.shift(width, shifted.result, shifted.carryWord));
  };

const doubleLeft: DoubleShift = (b, width, x, y, count) => {
  if (width === 64) {
    const result = b.or(b.shl(x, count), b.shr(b.shr(y, b.const(1)), b.xor(count, b.const(63))));
    const carry = b.and(b.shl(x, previous(b, count)), b.const(MSB));
    return { result, carryWord: b.or(carry, b.shr(result, b.const(1))) };
  }
  const whole = width === 32 ? b.or(b.shl(x, b.const(32)), y) : tripled(b, x, y);
  const shifted = b.shr(b.shl(whole, count), b.const(32));
  if (width === 16) return { result: shifted, carryWord: b.shl(shifted, b.const(47)) };
  // At 32 bits what falls out of the result falls out of the i64 too.
  const carry = b.and(b.shl(whole, previous(b, count)), b.const(MSB));
  return { result: shifted, carryWord: b.or(carry, b.shl(shifted, b.const(31))) };
};

const doubleRight: DoubleShift = (b, width, x, y, count) => {
  if (width === 64) {
    const result = b.or(b.shr(x, count), b.shl(b.shl(y, b.const(1)), b.xor(count, b.const(63))));
    const carry = b.shl(b.shr(x, previous(b, count)), b.const(63));
    const changed = b.and(b.xor(result, b.shl(result, b.const(1))), b.const(MSB));
    return { result, carryWord: b.xor(carry, b.shr(b.xor(carry, changed), b.const(1))) };
  }
  const whole = width === 32 ? b.or(b.shl(y, b.const(32)), x) : tripled(b, x, y);
  const result = b.shr(whole, count);
  return { result, carryWord: rightCarryWord(b, width, b.shr(whole, previous(b, count)), result) };
};

/** 16-bit x:y:x. */
function tripled(b: X86Builder, x: Val, y: Val): Val {
  return b.or(b.or(b.shl(x, b.const(32)), b.shl(y, b.const(16))), x);
}

/** The six encodings of a shift or rotation, by its digit in group 2. */
function family(digit: number, mnemonic: string, semantics: Semantics): Row[] {
  const encodings: readonly [string, string, OperandCode][] = [
    ["C0", " ib", "Ib"],
    ["D0", "", "1"],
    ["D2", "", "CL"],
  ];
  return encodings.flatMap(([opcode, immediate, count]) => {
    const wide = (Number.parseInt(opcode, 16) + 1).toString(16).toUpperCase();
    return [
      row(`${opcode} /${digit}${immediate}`, mnemonic, ["Eb", count], semantics),
      row(`${wide} /${digit}${immediate}`, mnemonic, ["Ev", count], semantics),
    ];
  });
}

export const rows: readonly Row[] = [
  ...family(0, "ROL", rotating(rotateLeft)),
  ...family(1, "ROR", rotating(rotateRight)),
  ...family(2, "RCL", rotating(rotateCarryLeft)),
  ...family(3, "RCR", rotating(rotateCarryRight)),
  ...family(4, "SHL", shifting(shiftLeft)),
  ...family(5, "SHR", shifting(shiftRight)),
  // Digit 6 is not in the manual; every processor takes it for SHL.
  ...family(6, "SHL", shifting(shiftLeft)),
  ...family(7, "SAR", shifting(shiftArithmetic)),
  row("0F A4 /r ib", "SHLD", ["Ev", "Gv", "Ib"], doubleShift(doubleLeft)),
  row("0F A5 /r", "SHLD", ["Ev", "Gv", "CL"], doubleShift(doubleLeft)),
  row("0F AC /r ib", "SHRD", ["Ev", "Gv", "Ib"], doubleShift(doubleRight)),
  row("0F AD /r", "SHRD", ["Ev", "Gv", "CL"], doubleShift(doubleRight)),
];

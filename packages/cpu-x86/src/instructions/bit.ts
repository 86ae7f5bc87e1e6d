// BT BTS BTR BTC BSF BSR TZCNT LZCNT POPCNT ANDN BEXTR BLSR BLSMSK BLSI. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";

/** New value of the operand from the old one and a mask with the chosen bit; undefined: BT only looks. */
type Change = ((b: X86Builder, x: Val, mask: Val) => Val) | undefined;

/** CF is the chosen bit; the manual leaves OF SF AF PF undefined, they stay. */
function testBit(b: X86Builder, x: Val, index: Val): void {
  b.flags.setCarry(b.wrap(b.and(b.shr(x, index), b.const(1))));
}

/** The bit number counts modulo the operand size. */
const bitInOperand =
  (change: Change): Semantics =>
  (b, dst, src) => {
    const index = b.and(src!.load(), b.const(dst!.width - 1));
    const x = change === undefined ? dst!.load() : dst!.modify();
    if (change !== undefined) dst!.store(change(b, x, b.shl(b.const(1), index)));
    testBit(b, x, index);
  };

/** A bit number in a register is signed and reaches beyond a memory operand: to the operand-sized piece that holds it. */
const bitAnywhere =
  (change: Change): Semantics =>
  (b, dst, src) => {
    if (!dst!.memory) return bitInOperand(change)(b, dst!, src!);
    const { width } = dst!;
    const number = src!.load();
    const index = b.and(number, b.const(width - 1));
    const pieces = b.sar(b.sext(number, width), b.const(Math.log2(width)));
    const linear = pieceAddress(b, dst!, b.mul(pieces, b.const(width / 8)), change !== undefined);
    const x = change === undefined ? b.guestLoad(width, linear) : b.guestModify(width, linear);
    if (change !== undefined) b.guestStore(width, linear, change(b, x, b.shl(b.const(1), index)));
    testBit(b, x, index);
  };

/** Linear address `distance` bytes from the operand; the offset wraps around at the address size. */
function pieceAddress(b: X86Builder, dst: Operand, distance: Val, write: boolean): Val {
  const { form, asize } = b.shape;
  const offset = b.add(dst.address(), distance);
  if (form !== "mea") return form === "m32" ? b.zext(offset, 32) : offset;
  // The row option `offsetOnly`: the address record left an offset without base, not checked against the limit.
  const bytes = b.const(dst.width / 8);
  return b.segmentLinear(b.zext(offset, asize), b.fields.segment(), bytes, write);
}

const set: Change = (b, x, mask) => b.or(x, mask);
const reset: Change = (b, x, mask) => b.and(x, b.not(mask));
const complement: Change = (b, x, mask) => b.xor(x, mask);

/** ZF tells whether the source is 0, and then the destination stays; the other flags are undefined: clear. */
const scan =
  (find: (b: X86Builder, x: Val, width: number) => Val): Semantics =>
  (b, dst, src) => {
    const { width } = dst!;
    const x = src!.load();
    const zero = b.eqz(x);
    b.when(b.isFalse(zero), () => dst!.store(find(b, x, width)));
    b.flags.zeroAlone(zero);
  };

const lowestBit = (b: X86Builder, x: Val): Val => b.op("i64.ctz", x);
const highestBit = (b: X86Builder, x: Val): Val => b.sub(b.const(63), b.op("i64.clz", x));

/** CF tells whether the source is 0, which counts `width`; ZF whether the count is 0; the other flags are undefined. */
const count =
  (of: (b: X86Builder, x: Val, width: number) => Val): Semantics =>
  (b, dst, src) => {
    const x = src!.load();
    const result = of(b, x, dst!.width);
    dst!.store(result);
    b.flags.result(dst!.width, result, b.eqz(x), b.const32(0));
  };

/** A bit above the operand stops the count there. */
const trailingZeros = (b: X86Builder, x: Val, width: number): Val =>
  b.op("i64.ctz", width === 64 ? x : b.or(x, b.const(1n << BigInt(width))));
const leadingZeros = (b: X86Builder, x: Val, width: number): Val => b.sub(b.op("i64.clz", x), b.const(64 - width));

/** ZF tells whether the source is 0; the other flags are 0. */
const popcnt: Semantics = (b, dst, src) => {
  const x = src!.load();
  dst!.store(b.op("i64.popcnt", x));
  b.flags.zeroAlone(b.eqz(x));
};

/** DEST <- NOT SRC1 AND SRC2. */
const andn: Semantics = (b, dst, first, second) => {
  const result = b.and(b.not(first!.load()), second!.load());
  dst!.store(result);
  b.flags.logic(dst!.width, result);
};

/** DEST <- SRC1 from bit SRC2[7:0] on, SRC2[15:8] bits. */
const bextr: Semantics = (b, dst, src, control) => {
  const start = b.and(control!.load(), b.const(0xff));
  const length = b.and(b.shr(control!.load(), b.const(8)), b.const(0xff));
  const inside = b.ltU(start, b.const(64));
  const shifted = b.select(inside, b.shr(src!.load(), start), b.const(0));
  const mask = b.sub(b.shl(b.const(1), length), b.const(1));
  const result = b.select(b.ltU(length, b.const(64)), b.and(shifted, mask), shifted);
  dst!.store(result);
  b.flags.logic(dst!.width, result);
};

/** The lowest set bit of SRC reset, masked up to, or isolated. CF tells whether SRC is 0; of BLSI, whether it is not. */
const lowestSet =
  (what: "reset" | "mask" | "isolate"): Semantics =>
  (b, dst, src) => {
    const x = src!.load();
    const below = b.sub(x, b.const(1));
    const isolated = b.and(x, b.sub(b.const(0), x));
    const result = what === "reset" ? b.and(x, below) : what === "mask" ? b.xor(x, below) : isolated;
    dst!.store(result);
    const zero = b.eqz(x);
    b.flags.result(dst!.width, result, what === "isolate" ? b.isFalse(zero) : zero, b.const32(0));
  };

/** Opcode of the register form, digit of the immediate form, name, what becomes of the bit. */
const TESTS: readonly [string, number, string, Change][] = [
  ["A3", 4, "BT", undefined],
  ["AB", 5, "BTS", set],
  ["B3", 6, "BTR", reset],
  ["BB", 7, "BTC", complement],
];
const REGISTER: readonly OperandCode[] = ["Ev", "Gv"];

export const rows: readonly Row[] = [
  ...TESTS.flatMap(([opcode, digit, mnemonic, change]) => {
    const lock: RowOptions = change === undefined ? {} : { lock: true };
    return [
      row(`0F ${opcode} /r`, mnemonic, REGISTER, bitAnywhere(change), { ...lock, asize: true, offsetOnly: true }),
      row(`0F BA /${digit} ib`, mnemonic, ["Ev", "Ib"], bitInOperand(change), lock),
    ];
  }),
  row("0F BC /r", "BSF", ["Gv", "Ev"], scan(lowestBit)),
  row("0F BD /r", "BSR", ["Gv", "Ev"], scan(highestBit)),
  row("VEX.LZ.0F38 F2 /r", "ANDN", ["Gy", "By", "Ey"], andn, { cpuid: "bmi1", protectedOnly: true }),
  row("VEX.LZ.0F38 F7 /r", "BEXTR", ["Gy", "Ey", "By"], bextr, { cpuid: "bmi1", protectedOnly: true }),
  row("VEX.LZ.0F38 F3 /1", "BLSR", ["By", "Ey"], lowestSet("reset"), { cpuid: "bmi1", protectedOnly: true }),
  row("VEX.LZ.0F38 F3 /2", "BLSMSK", ["By", "Ey"], lowestSet("mask"), { cpuid: "bmi1", protectedOnly: true }),
  row("VEX.LZ.0F38 F3 /3", "BLSI", ["By", "Ey"], lowestSet("isolate"), { cpuid: "bmi1", protectedOnly: true }),
  row("F3 0F BC /r", "TZCNT", ["Gv", "Ev"], count(trailingZeros), { cpuid: "bmi1" }),
  row("F3 0F BD /r", "LZCNT", ["Gv", "Ev"], count(leadingZeros), { cpuid: "abm" }),
  row("F3 0F B8 /r", "POPCNT", ["Gv", "Ev"], popcnt, { cpuid: "popcnt" }),
];

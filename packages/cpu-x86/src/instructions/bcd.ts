// DAA DAS AAA AAS AAM AAD: decimal arithmetic, outside 64-bit code only. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { FLAG } from "../state/bits.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** AF as a condition. */
const adjust = (b: X86Builder): Val => b.ne(b.and(b.flags.image(), b.const(FLAG.AF)), b.const(0));
const digitAbove9 = (b: X86Builder, value: Val): Val => b.ltU(b.const(9), b.and(value, b.const(15)));
/** `amount` if the condition holds, else 0. */
const amountIf = (b: X86Builder, condition: Val, amount: number): Val =>
  b.select(condition, b.const(amount), b.const(0));

/** Packed digits: each digit of AL that left 0..9 is corrected by 6. OF is undefined. */
const adjustPacked =
  (op: "i64.add" | "i64.sub"): Semantics =>
  (b) => {
    const al = b.reg(8, "rax");
    const low = b.either(digitAbove9(b, al), adjust(b));
    const high = b.either(b.ltU(b.const(0x99), al), b.flags.carry());
    const lowAmount = amountIf(b, low, 6);
    const result = b.op(op, b.op(op, al, lowAmount), amountIf(b, high, 0x60));
    // DAS: a borrow of the low correction alone is kept in CF. DAA: a carry there implies that AL was above 99h.
    const borrow = op === "i64.sub" ? b.ltU(al, lowAmount) : b.const32(0);
    const carry = b.either(high, borrow);
    b.setReg(8, "rax", result);
    b.flags.result(8, b.zext(result, 8), carry, b.const32(0), low);
  };

/** Unpacked digits: a digit of AL that left 0..9 is corrected by 6 and carries into AH. SF ZF PF OF are undefined. */
const adjustUnpacked =
  (op: "i64.add" | "i64.sub"): Semantics =>
  (b) => {
    const ax = b.reg(16, "rax");
    const needed = b.either(digitAbove9(b, ax), adjust(b));
    // The correction is one 16-bit addition: a carry out of AL reaches AH, from the 80286 on.
    const result = b.op(op, ax, amountIf(b, needed, 0x106));
    b.setReg(16, "rax", b.and(result, b.const(0xff0f)));
    b.flags.result(8, b.and(result, b.const(15)), needed, b.const32(0), needed);
  };

/** AH <- AL / base, AL <- AL mod base. */
const aam: Semantics = (b, base) => {
  const divisor = base!.load();
  b.raiseIf(b.eqz(divisor), "DE");
  const al = b.reg(8, "rax");
  const rest = b.op("i64.rem_u", al, divisor);
  b.setReg(16, "rax", b.or(b.shl(b.op("i64.div_u", al, divisor), b.const(8)), rest));
  b.flags.logic(8, rest);
};

/** AL <- AL + AH * base, AH <- 0. */
const aad: Semantics = (b, base) => {
  const ax = b.reg(16, "rax");
  const sum = b.zext(b.add(ax, b.mul(b.shr(ax, b.const(8)), base!.load())), 8);
  b.setReg(16, "rax", sum);
  b.flags.logic(8, sum);
};

export const rows: readonly Row[] = [
  row("27", "DAA", [], adjustPacked("i64.add"), { i64: true }),
  row("2F", "DAS", [], adjustPacked("i64.sub"), { i64: true }),
  row("37", "AAA", [], adjustUnpacked("i64.add"), { i64: true }),
  row("3F", "AAS", [], adjustUnpacked("i64.sub"), { i64: true }),
  row("D4 ib", "AAM", ["Ib"], aam, { i64: true }),
  row("D5 ib", "AAD", ["Ib"], aad, { i64: true }),
];

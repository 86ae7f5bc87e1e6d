// CMPXCHG CMPXCHG8B CMPXCHG16B XADD. SDM vol. 2, the instruction of each name. XCHG is in mov.ts.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Row, row, type Semantics } from "./row.ts";

/**
 * DEST <- SRC if it equals rAX, else rAX <- DEST; flags as by CMP. Memory is written in both cases, so that it faults
 * alike. A register that is not to change keeps even the upper half that a 32-bit write would clear.
 */
const cmpxchg: Semantics = (b, dst, src) => {
  const { width } = dst!;
  const accumulator = b.reg(width, "rax");
  const x = dst!.modify();
  const equal = b.eq(accumulator, x);
  const replacement = src!.load();
  if (dst!.memory) dst!.store(b.select(equal, replacement, x));
  else b.when(equal, () => dst!.store(replacement));
  b.when(b.isFalse(equal), () => b.setReg(width, "rax", x));
  b.flags.sub(width, accumulator, x, b.sub(accumulator, x));
};

/** rDX:rAX against memory of twice the operand size, 32 or 64 bits; rCX:rBX is what is stored. Only ZF changes. */
const cmpxchgPair: Semantics = (b, dst) => {
  const half = b.shape.opsize === 64 ? 64 : 32;
  const { equal, memoryLow, memoryHigh } = half === 64 ? exchange16(b, dst!.address()) : exchange8(b, dst!);
  b.when(b.isFalse(equal), () => {
    b.setReg(half, "rax", memoryLow);
    b.setReg(half, "rdx", memoryHigh);
  });
  b.flags.setZero(equal);
};

interface Exchanged {
  readonly equal: Val;
  readonly memoryLow: Val;
  readonly memoryHigh: Val;
}

function exchange8(b: X86Builder, dst: Operand): Exchanged {
  const pair = (low: Val, high: Val): Val => b.or(low, b.shl(high, b.const(32)));
  const expected = pair(b.reg(32, "rax"), b.reg(32, "rdx"));
  const found = dst.modify();
  const equal = b.eq(expected, found);
  dst.store(b.select(equal, pair(b.reg(32, "rbx"), b.reg(32, "rcx")), found));
  return { equal, memoryLow: found, memoryHigh: b.shr(found, b.const(32)) };
}

/** Only in 64-bit code. #GP(0) unless aligned to 16 bytes. */
function exchange16(b: X86Builder, linear: Val): Exchanged {
  b.raiseIf(b.ne(b.and(linear, b.const(15)), b.const(0)), "GP", b.const(0));
  const pair = (low: Val, high: Val): Val => b.lane("i64x2.replace_lane", 1, b.op("i64x2.splat", low), high);
  const found = b.guestModify(128, linear);
  const memoryLow = b.lane("i64x2.extract_lane", 0, found);
  const memoryHigh = b.lane("i64x2.extract_lane", 1, found);
  const equal = b.both(b.eq(b.reg(64, "rax"), memoryLow), b.eq(b.reg(64, "rdx"), memoryHigh));
  b.guestStore(128, linear, b.select(equal, pair(b.reg(64, "rbx"), b.reg(64, "rcx")), found));
  return { equal, memoryLow, memoryHigh };
}

/** SRC <- DEST and DEST <- SRC + DEST; if both are one register the sum remains. */
const xadd: Semantics = (b, dst, src) => {
  const x = dst!.modify();
  const y = src!.load();
  const sum = b.add(x, y);
  if (dst!.memory) dst!.store(sum);
  src!.store(x);
  if (!dst!.memory) dst!.store(sum);
  b.flags.add(dst!.width, x, y, sum);
};

export const rows: readonly Row[] = [
  row("0F B0 /r", "CMPXCHG", ["Eb", "Gb"], cmpxchg, { lock: true }),
  row("0F B1 /r", "CMPXCHG", ["Ev", "Gv"], cmpxchg, { lock: true }),
  row("0F C7 /1", "CMPXCHG8B", ["Mq"], cmpxchgPair, { lock: true, opsize: true, cpuid: "cx8" }),
  row("0F C0 /r", "XADD", ["Eb", "Gb"], xadd, { lock: true }),
  row("0F C1 /r", "XADD", ["Ev", "Gv"], xadd, { lock: true }),
];

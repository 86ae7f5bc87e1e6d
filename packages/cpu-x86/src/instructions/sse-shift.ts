// Packed shifts by immediate or by the low 64 bits of a vector. SDM vol. 2B, PSLLW to PSRLDQ.
//
// A count of the lane's width or more shifts everything out; arithmetic shifts then leave the sign.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { clamp, LANE_BITS, lowHalf, moveBytes, zeroVector } from "./vector-lanes.ts";

const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2", aligned: true };

export type ShiftedLanes = "i16x8" | "i32x4" | "i64x2";
export type Shift = (b: X86Builder, vector: Val, count: Val) => Val;

export const logical =
  (lanes: ShiftedLanes, op: "shl" | "shr_u"): Shift =>
  (b, vector, count) => {
    const inside = b.ltU(count, b.const(LANE_BITS[lanes]));
    return b.select(inside, b.op(`${lanes}.${op}`, vector, b.wrap(count)), zeroVector(b));
  };

export const arithmetic =
  (lanes: "i16x8" | "i32x4"): Shift =>
  (b, vector, count) =>
    b.op(`${lanes}.shr_s`, vector, b.wrap(clamp(b, count, LANE_BITS[lanes] - 1)));

const byImmediate =
  (shift: Shift): Semantics =>
  (b, dst, count) =>
    dst!.store(shift(b, dst!.load(), count!.load()));

const byVector =
  (shift: Shift): Semantics =>
  (b, dst, src) => {
    const count = lowHalf(b, src!.load());
    dst!.store(shift(b, dst!.load(), count));
  };

/** Whole bytes, up to 16 of them. */
const byteShift =
  (direction: 1 | -1): Semantics =>
  (b, dst, count) => {
    const distance = b.mul(clamp(b, count!.load(), 16), b.const(direction));
    dst!.store(moveBytes(b, dst!.load(), distance));
  };

/** `byDigit`: opcode and digit of the form with an immediate; `opcode`: of the one with a vector. */
const family = (name: string, byDigit: string, opcode: string, shift: Shift): Row[] => [
  row(`66 0F ${byDigit} ib`, name, ["Udq", "Ib"], byImmediate(shift), SSE2),
  row(`66 0F ${opcode} /r`, name, ["Vdq", "Wdq"], byVector(shift), SSE2),
];

export const rows: readonly Row[] = [
  ...family("PSRLW", "71 /2", "D1", logical("i16x8", "shr_u")),
  ...family("PSRLD", "72 /2", "D2", logical("i32x4", "shr_u")),
  ...family("PSRLQ", "73 /2", "D3", logical("i64x2", "shr_u")),
  ...family("PSRAW", "71 /4", "E1", arithmetic("i16x8")),
  ...family("PSRAD", "72 /4", "E2", arithmetic("i32x4")),
  ...family("PSLLW", "71 /6", "F1", logical("i16x8", "shl")),
  ...family("PSLLD", "72 /6", "F2", logical("i32x4", "shl")),
  ...family("PSLLQ", "73 /6", "F3", logical("i64x2", "shl")),
  row("66 0F 73 /3 ib", "PSRLDQ", ["Udq", "Ib"], byteShift(1), SSE2),
  row("66 0F 73 /7 ib", "PSLLDQ", ["Udq", "Ib"], byteShift(-1), SSE2),
];

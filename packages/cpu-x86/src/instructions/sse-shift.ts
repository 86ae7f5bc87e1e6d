// Packed shifts by immediate or by the low 64 bits of a vector. SDM vol. 2B, PSLLW to PSRLDQ.
//
// A count of the lane's width or more shifts everything out; arithmetic shifts then leave the sign.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { clamp, LANE_BITS, lowHalf, moveBytes, zeroVector } from "./vector-lanes.ts";
import { mapLanes, withFirstSource } from "./vector-operands.ts";

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
  (b, ...operands) => {
    const [dst, source, count] = withFirstSource(b, operands);
    mapLanes(dst!, [source!], (x) => shift(b, x, count!.load()));
  };

const byVector =
  (shift: Shift): Semantics =>
  (b, ...operands) => {
    const [dst, source, counts] = withFirstSource(b, operands);
    const count = lowHalf(b, counts!.load());
    mapLanes(dst!, [source!], (x) => shift(b, x, count));
  };

/** Whole bytes of each lane, up to 16 of them. */
const byteShift =
  (direction: 1 | -1): Semantics =>
  (b, ...operands) => {
    const [dst, source, count] = withFirstSource(b, operands);
    const distance = b.mul(clamp(b, count!.load(), 16), b.const(direction));
    mapLanes(dst!, [source!], (x) => moveBytes(b, x, distance));
  };

/** The destination is in VEX.vvvv: `VPSLLW Hx,Ux,Ib`. */
function immediateForms(byDigit: string, name: string, semantics: Semantics): Row[] {
  const vex = (length: 128 | 256, cpuid: string): Row =>
    row(`VEX.${length}.66.0F.WIG ${byDigit} ib`, `V${name}`, ["Hx", "Ux", "Ib"], semantics, {
      fpu: "avx",
      cpuid,
      protectedOnly: true,
    });
  return [row(`66 0F ${byDigit} ib`, name, ["Udq", "Ib"], semantics, SSE2), vex(128, "avx"), vex(256, "avx2")];
}

/** The count is 128 bits wide whatever the vectors are. */
function vectorForms(opcode: string, name: string, semantics: Semantics): Row[] {
  const vex = (length: 128 | 256, cpuid: string): Row =>
    row(`VEX.${length}.66.0F.WIG ${opcode} /r`, `V${name}`, ["Vx", "Hx", "Wdq"], semantics, {
      fpu: "avx",
      cpuid,
      protectedOnly: true,
    });
  return [row(`66 0F ${opcode} /r`, name, ["Vdq", "Wdq"], semantics, SSE2), vex(128, "avx"), vex(256, "avx2")];
}

/** `byDigit`: opcode and digit of the form with an immediate; `opcode`: of the one with a vector. */
const family = (name: string, byDigit: string, opcode: string, shift: Shift): Row[] => [
  ...immediateForms(byDigit, name, byImmediate(shift)),
  ...vectorForms(opcode, name, byVector(shift)),
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
  ...immediateForms("73 /3", "PSRLDQ", byteShift(1)),
  ...immediateForms("73 /7", "PSLLDQ", byteShift(-1)),
];

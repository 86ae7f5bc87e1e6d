// Conversions between single, double and integers, and rounding to integral values. SDM vol. 2A, the CVT instructions;
// vol. 2B, ROUNDPS and its like. Conversions with MMX operands: sse-mmx.ts.
//
// Values outside the integer's range, NaNs included, give the integer indefinite value on the slow path.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type FloatKind, FloatLanes, type Proof, provenOr } from "./float-lanes.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { fromLow } from "./vector-lanes.ts";

const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2" };
const SSE2_ALIGNED: RowOptions = { ...SSE2, aligned: true };

// --- integers to floats ---

/** CVTSI2SS, CVTSI2SD: 64-bit integers and, in single, 32-bit ones may be inexact. */
const fromInteger =
  (kind: "ss" | "sd"): Semantics =>
  (b, dst, src) => {
    const f = new FloatLanes(b, kind);
    const wide = src!.width === 64;
    const x = b.sext(src!.load(), src!.width);
    const native = f.op("convert_i64_s", x);
    const back = b.op(f.double ? "i64.trunc_sat_f64_s" : "i64.trunc_sat_f32_s", native);
    // Of values rounded up to 2^63 the way back saturates to the largest integer.
    const exact = (): Val => b.both(b.eq(back, x), f.op("lt", native, f.constant(2 ** 63)));
    const slow = (): void => f.slow(wide ? "fromInt64" : "fromInt32", undefined, x);
    const value = f.double && !wide ? native : provenOr(b, native, { quiet: b.const32(1), exact }, slow);
    dst!.store(f.toBits(value));
  };

/** Four integers as singles. */
export function dwordsToSingles(b: X86Builder, x: Val): Val {
  const f = new FloatLanes(b, "ps");
  const native = b.op("f32x4.convert_i32x4_s", x);
  const exact = (): Val => {
    const same = b.op("i32x4.eq", b.op("i32x4.trunc_sat_f32x4_s", native), x);
    return f.all(f.both(same, f.op("lt", native, f.constant(2 ** 31))));
  };
  return provenOr(b, native, { quiet: b.const32(1), exact }, () => f.slow("fromInt32", undefined, x));
}

const cvtdq2ps: Semantics = (b, dst, src) => dst!.store(dwordsToSingles(b, src!.load()));
const cvtdq2pd: Semantics = (b, dst, src) => dst!.store(b.op("f64x2.convert_low_i32x4_s", fromLow(b, src!.load())));

// --- floats to integers ---

/** `integral` (x rounded) fits a signed integer of `width` bits; exact if nothing was rounded away. */
function integerProof(f: FloatLanes, x: Val, integral: Val, width: 32 | 64): Proof {
  const limit = 2 ** (width - 1);
  const inRange = f.both(f.op("ge", integral, f.constant(-limit)), f.op("lt", integral, f.constant(limit)));
  return { quiet: f.all(inRange), exact: () => f.all(f.op("eq", integral, x)) };
}

/** CVTSS2SI and CVTSD2SI by MXCSR.RC, CVTTSS2SI and CVTTSD2SI toward zero. */
const toInteger =
  (kind: "ss" | "sd", rounding: "nearest" | "trunc"): Semantics =>
  (b, dst, src) => {
    const f = new FloatLanes(b, kind);
    const x = f.load(src!);
    const width = dst!.width === 64 ? 64 : 32;
    const integral = f.op(rounding, x);
    const native = b.op(f.double ? "i64.trunc_sat_f64_s" : "i64.trunc_sat_f32_s", integral);
    const operation = rounding === "trunc" ? (`truncateToInt${width}` as const) : (`toInt${width}` as const);
    const proof = integerProof(f, x, integral, width);
    dst!.store(provenOr(b, native, proof, () => f.slow(operation, undefined, x)));
  };

/** The lanes of a vector as dwords, from lane 0 up; those of doubles leave the upper half 0. */
export function floatsToDwords(b: X86Builder, kind: "ps" | "pd", rounding: "nearest" | "trunc", x: Val): Val {
  const f = new FloatLanes(b, kind);
  const integral = f.op(rounding, x);
  const native = b.op(f.double ? "i32x4.trunc_sat_f64x2_s_zero" : "i32x4.trunc_sat_f32x4_s", integral);
  const operation = rounding === "trunc" ? "truncateToInt32" : "toInt32";
  return provenOr(b, native, integerProof(f, x, integral, 32), () => f.slow(operation, undefined, x));
}

const toDwords =
  (kind: "ps" | "pd", rounding: "nearest" | "trunc"): Semantics =>
  (b, dst, src) =>
    dst!.store(floatsToDwords(b, kind, rounding, src!.load()));

// --- between single and double ---

/** Always exact; denormals and NaNs have exceptions. */
const widen: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "ss");
  const x = f.load(src!);
  const native = b.op("f64.promote_f32", x);
  const result = provenOr(b, native, { quiet: f.isQuietOperand(x) }, () => f.slow("convert", undefined, x));
  dst!.store(b.op("i64.reinterpret_f64", result));
};

const widenPacked: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "ps");
  const x = fromLow(b, src!.load());
  const native = b.op("f64x2.promote_low_f32x4", x);
  const quiet = f.all(f.isQuietOperand(x));
  dst!.store(provenOr(b, native, { quiet }, () => f.slow("convert", undefined, x, { lanes: 2 })));
};

/** `again`: the single as a double. It stands in the range of normal singles; exact if it is what it was. */
function narrowProof(f: FloatLanes, x: Val, again: Val): Proof {
  const magnitude = f.op("abs", again);
  const finite = f.op("lt", magnitude, f.constant(Number.POSITIVE_INFINITY));
  const normal = f.op("gt", magnitude, f.constant(2 ** -126));
  const quiet = f.all(f.both(finite, f.either(normal, f.isZero(x))));
  return { quiet, exact: () => f.all(f.op("eq", again, x)) };
}

const narrow: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "sd");
  const x = f.load(src!);
  const native = b.op("f32.demote_f64", x);
  const proof = narrowProof(f, x, b.op("f64.promote_f32", native));
  const result = provenOr(b, native, proof, () => f.slow("convert", undefined, x));
  dst!.store(b.bool(b.op("i32.reinterpret_f32", result)));
};

const narrowPacked: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "pd");
  const x = src!.load();
  const native = b.op("f32x4.demote_f64x2_zero", x);
  const proof = narrowProof(f, x, b.op("f64x2.promote_low_f32x4", native));
  dst!.store(provenOr(b, native, proof, () => f.slow("convert", undefined, x)));
};

// --- rounding to integral values ---

/** Bits 1:0 of the immediate choose the rounding as MXCSR.RC does, bit 2 leaves it to MXCSR, bit 3 hides PE. */
const round =
  (kind: FloatKind): Semantics =>
  (b, dst, src, immediate) => {
    const f = new FloatLanes(b, kind);
    const x = f.load(src!);
    const imm = immediate!.load();
    const is = (number: number): Val => b.eq(b.and(imm, b.const(7)), b.const(number));
    const directed = b.select(is(1), f.op("floor", x), b.select(is(2), f.op("ceil", x), f.op("trunc", x)));
    // What is left to MXCSR is to nearest here, or goes the slow way.
    const toNearest = b.either(is(0), b.ne(b.and(imm, b.const(4)), b.const(0)));
    const native = b.select(toNearest, f.op("nearest", x), directed);
    const hidden = b.ne(b.and(imm, b.const(8)), b.const(0));
    const proof: Proof = {
      quiet: f.all(f.isQuietOperand(x)),
      exact: () => b.either(hidden, f.all(f.op("eq", native, x))),
    };
    dst!.store(f.toBits(provenOr(b, native, proof, () => f.slow("round", undefined, x, { immediate: imm }))));
  };

const roundRow = (opcode: string, kind: FloatKind): Row =>
  row(`66 0F 3A ${opcode} /r ib`, `ROUND${kind.toUpperCase()}`, [`V${kind}`, `W${kind}`, "Ib"], round(kind), {
    fpu: "sse",
    cpuid: "sse4.1",
    aligned: true,
  });

export const rows: readonly Row[] = [
  row("NP 0F 5A /r", "CVTPS2PD", ["Vpd", "Wq"], widenPacked, SSE2),
  row("66 0F 5A /r", "CVTPD2PS", ["Vps", "Wpd"], narrowPacked, SSE2_ALIGNED),
  row("F3 0F 5A /r", "CVTSS2SD", ["Vsd", "Wss"], widen, SSE2),
  row("F2 0F 5A /r", "CVTSD2SS", ["Vss", "Wsd"], narrow, SSE2),
  row("NP 0F 5B /r", "CVTDQ2PS", ["Vps", "Wdq"], cvtdq2ps, SSE2_ALIGNED),
  row("66 0F 5B /r", "CVTPS2DQ", ["Vdq", "Wps"], toDwords("ps", "nearest"), SSE2_ALIGNED),
  row("F3 0F 5B /r", "CVTTPS2DQ", ["Vdq", "Wps"], toDwords("ps", "trunc"), SSE2_ALIGNED),
  row("F3 0F E6 /r", "CVTDQ2PD", ["Vpd", "Wq"], cvtdq2pd, SSE2),
  row("66 0F E6 /r", "CVTTPD2DQ", ["Vdq", "Wpd"], toDwords("pd", "trunc"), SSE2_ALIGNED),
  row("F2 0F E6 /r", "CVTPD2DQ", ["Vdq", "Wpd"], toDwords("pd", "nearest"), SSE2_ALIGNED),
  row("F3 0F 2A /r", "CVTSI2SS", ["Vss", "Ey"], fromInteger("ss"), { fpu: "sse", cpuid: "sse" }),
  row("F2 0F 2A /r", "CVTSI2SD", ["Vsd", "Ey"], fromInteger("sd"), SSE2),
  row("F3 0F 2C /r", "CVTTSS2SI", ["Gy", "Wss"], toInteger("ss", "trunc"), { fpu: "sse", cpuid: "sse" }),
  row("F3 0F 2D /r", "CVTSS2SI", ["Gy", "Wss"], toInteger("ss", "nearest"), { fpu: "sse", cpuid: "sse" }),
  row("F2 0F 2C /r", "CVTTSD2SI", ["Gy", "Wsd"], toInteger("sd", "trunc"), SSE2),
  row("F2 0F 2D /r", "CVTSD2SI", ["Gy", "Wsd"], toInteger("sd", "nearest"), SSE2),
  roundRow("08", "ps"),
  roundRow("09", "pd"),
  roundRow("0A", "ss"),
  roundRow("0B", "sd"),
];

// Conversions between single, double and integers, and rounding to integral values. SDM vol. 2A, the CVT instructions;
// vol. 2B, ROUNDPS and its like. Conversions with MMX operands: sse-mmx.ts.
//
// Values outside the integer's range, NaNs included, give the integer indefinite value on the slow path.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { allProven, type FloatKind, FloatLanes, type Proof, provenOr } from "./float-lanes.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { fromLow, pickLanes } from "./vector-lanes.ts";
import { vexEncoding, vexForms, withoutMerged } from "./vector-operands.ts";

const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2" };
const SSE2_ALIGNED: RowOptions = { ...SSE2, aligned: true };

// --- integers to floats ---

/** CVTSI2SS, CVTSI2SD: 64-bit integers and, in single, 32-bit ones may be inexact. */
const fromInteger =
  (kind: "ss" | "sd"): Semantics =>
  (b, ...operands) => {
    const [dst, src] = withoutMerged(operands);
    const f = new FloatLanes(b, kind);
    const wide = src!.width === 64;
    const x = b.sext(src!.load(), src!.width);
    const native = f.op("convert_i64_s", x);
    const back = b.op(f.double ? "i64.trunc_sat_f64_s" : "i64.trunc_sat_f32_s", native);
    // Of values rounded up to 2^63 the way back saturates to the largest integer.
    const exact = (): Val => b.both(b.eq(back, x), f.op("lt", native, f.constant(2 ** 63)));
    const slow = (): void => f.slow(wide ? "fromInt64" : "fromInt32", [], [x]);
    const proof: Proof = { quiet: b.const32(1), exact };
    f.store(dst!, f.double && !wide ? [native] : provenOr(b, [native], proof, slow));
  };

/** Integers as singles, four a part. */
export function dwordsToSingles(b: X86Builder, x: readonly Val[]): readonly Val[] {
  const f = new FloatLanes(b, "ps");
  const native = x.map((part) => b.op("f32x4.convert_i32x4_s", part));
  const exact = (i: number): Val => {
    const same = b.op("i32x4.eq", b.op("i32x4.trunc_sat_f32x4_s", native[i] as Val), x[i] as Val);
    return f.all(f.both(same, f.op("lt", native[i] as Val, f.constant(2 ** 31))));
  };
  const proofs = x.map((_, i): Proof => ({ quiet: b.const32(1), exact: () => exact(i) }));
  return provenOr(b, native, allProven(b, proofs), () => f.slow("fromInt32", [], x));
}

const cvtdq2ps: Semantics = (b, dst, src) => dst!.storeLanes(dwordsToSingles(b, src!.loadLanes()));

/** Sources of conversions to elements twice as wide: the low half of a vector, and for two lanes the high one too. */
function halvesOf(b: X86Builder, src: Operand): readonly Val[] {
  if (src.width < 128) return [fromLow(b, src.load())];
  const whole = src.load();
  return [whole, pickLanes(b, 8, [1, 1], whole, whole)];
}

const cvtdq2pd: Semantics = (b, dst, src) =>
  dst!.storeLanes(halvesOf(b, src!).map((half) => b.op("f64x2.convert_low_i32x4_s", half)));

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
    const x = f.fromBits(src!.load());
    const width = dst!.width === 64 ? 64 : 32;
    const integral = f.op(rounding, x);
    const native = b.op(f.double ? "i64.trunc_sat_f64_s" : "i64.trunc_sat_f32_s", integral);
    const operation = rounding === "trunc" ? (`truncateToInt${width}` as const) : (`toInt${width}` as const);
    const proof = integerProof(f, x, integral, width);
    dst!.store(provenOr(b, [native], proof, () => f.slow(operation, [], [x]))[0] as Val);
  };

/** The lanes of a vector as dwords, from lane 0 up; those of two doubles leave the upper half 0. */
export function floatsToDwords(
  b: X86Builder,
  kind: "ps" | "pd",
  rounding: "nearest" | "trunc",
  x: readonly Val[],
): readonly Val[] {
  const f = new FloatLanes(b, kind);
  const integral = x.map((part) => f.op(rounding, part));
  const native = integral.map((part) =>
    b.op(f.double ? "i32x4.trunc_sat_f64x2_s_zero" : "i32x4.trunc_sat_f32x4_s", part),
  );
  const operation = rounding === "trunc" ? "truncateToInt32" : "toInt32";
  const proofs = x.map((part, i) => integerProof(f, part, integral[i] as Val, 32));
  const results = f.double ? [joinHalves(b, native)] : native;
  return provenOr(b, results, allProven(b, proofs), () => f.slow(operation, [], x));
}

/** Low halves side by side; of a single part the upper half stays. */
function joinHalves(b: X86Builder, [low, high]: readonly Val[]): Val {
  return high === undefined ? (low as Val) : pickLanes(b, 8, [0, 2], low as Val, high);
}

const toDwords =
  (kind: "ps" | "pd", rounding: "nearest" | "trunc"): Semantics =>
  (b, dst, src) =>
    dst!.storeLanes(floatsToDwords(b, kind, rounding, src!.loadLanes()));

// --- between single and double ---

/** Always exact; denormals and NaNs have exceptions. */
const widen: Semantics = (b, ...operands) => {
  const [dst, src] = withoutMerged(operands);
  const f = new FloatLanes(b, "ss");
  const x = f.fromBits(src!.load());
  const native = b.op("f64.promote_f32", x);
  const [result] = provenOr(b, [native], { quiet: f.isQuietOperand(x) }, () => f.slow("convert", [], [x]));
  dst!.store(b.op("i64.reinterpret_f64", result as Val));
};

const widenPacked: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "ps");
  const x = halvesOf(b, src!);
  const native = x.map((half) => b.op("f64x2.promote_low_f32x4", half));
  // The first part has all lanes that count.
  const whole = x[0] as Val;
  const slow = (): void => f.slow("convert", [], [whole], { lanes: x.length === 2 ? 4 : 2 });
  dst!.storeLanes(provenOr(b, native, { quiet: f.all(f.isQuietOperand(whole)) }, slow));
};

/** `again`: the single as a double. It stands in the range of normal singles; exact if it is what it was. */
function narrowProof(f: FloatLanes, x: Val, again: Val): Proof {
  const magnitude = f.op("abs", again);
  const finite = f.op("lt", magnitude, f.constant(Number.POSITIVE_INFINITY));
  const normal = f.op("gt", magnitude, f.constant(2 ** -126));
  const quiet = f.all(f.both(finite, f.either(normal, f.isZero(x))));
  return { quiet, exact: () => f.all(f.op("eq", again, x)) };
}

const narrow: Semantics = (b, ...operands) => {
  const [dst, src] = withoutMerged(operands);
  const f = new FloatLanes(b, "sd");
  const x = f.fromBits(src!.load());
  const native = b.op("f32.demote_f64", x);
  const proof = narrowProof(f, x, b.op("f64.promote_f32", native));
  const [result] = provenOr(b, [native], proof, () => f.slow("convert", [], [x]));
  dst!.store(b.bool(b.op("i32.reinterpret_f32", result as Val)));
};

const narrowPacked: Semantics = (b, dst, src) => {
  const f = new FloatLanes(b, "pd");
  const x = src!.loadLanes();
  const native = x.map((part) => b.op("f32x4.demote_f64x2_zero", part));
  const proofs = x.map((part, i) => narrowProof(f, part, b.op("f64x2.promote_low_f32x4", native[i] as Val)));
  const slow = (): void => f.slow("convert", [], x);
  dst!.storeLanes(provenOr(b, [joinHalves(b, native)], allProven(b, proofs), slow));
};

// --- rounding to integral values ---

/** Bits 1:0 of the immediate choose the rounding as MXCSR.RC does, bit 2 leaves it to MXCSR, bit 3 hides PE. */
const round =
  (kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const [dst, src, immediate] = withoutMerged(operands);
    const f = new FloatLanes(b, kind);
    const x = f.load(src!);
    const imm = immediate!.load();
    const native = x.map((part) => roundBy(f, part, imm));
    const hidden = b.ne(b.and(imm, b.const(8)), b.const(0));
    const proofs = x.map(
      (part, i): Proof => ({
        quiet: f.all(f.isQuietOperand(part)),
        exact: () => b.either(hidden, f.all(f.op("eq", native[i] as Val, part))),
      }),
    );
    const slow = (): void => f.slow("round", [], x, { immediate: imm });
    f.store(dst!, provenOr(b, native, allProven(b, proofs), slow));
  };

function roundBy(f: FloatLanes, x: Val, imm: Val): Val {
  const { b } = f;
  const is = (number: number): Val => b.eq(b.and(imm, b.const(7)), b.const(number));
  const directed = b.select(is(1), f.op("floor", x), b.select(is(2), f.op("ceil", x), f.op("trunc", x)));
  // What is left to MXCSR is to nearest here, or goes the slow way.
  const toNearest = b.either(is(0), b.ne(b.and(imm, b.const(4)), b.const(0)));
  return b.select(toNearest, f.op("nearest", x), directed);
}

const roundRow = (opcode: string, kind: FloatKind): Row =>
  row(`66 0F 3A ${opcode} /r ib`, `ROUND${kind.toUpperCase()}`, [`V${kind}`, `W${kind}`, "Ib"], round(kind), {
    fpu: "sse",
    cpuid: "sse4.1",
    aligned: true,
  });

const AVX: RowOptions = { fpu: "avx", cpuid: "avx", protectedOnly: true };

/** Conversions between elements of one width. */
const sameWidth: readonly Row[] = [
  row("NP 0F 5B /r", "CVTDQ2PS", ["Vps", "Wdq"], cvtdq2ps, SSE2_ALIGNED),
  row("66 0F 5B /r", "CVTPS2DQ", ["Vdq", "Wps"], toDwords("ps", "nearest"), SSE2_ALIGNED),
  row("F3 0F 5B /r", "CVTTPS2DQ", ["Vdq", "Wps"], toDwords("ps", "trunc"), SSE2_ALIGNED),
];

/** Rows whose operands have different sizes, with the operands of the form that has 256 bits. */
const twoWidths: readonly (readonly [Row, readonly OperandCode[]])[] = [
  [row("NP 0F 5A /r", "CVTPS2PD", ["Vpd", "Wq"], widenPacked, SSE2), ["Vx", "Wdq"]],
  [row("66 0F 5A /r", "CVTPD2PS", ["Vps", "Wpd"], narrowPacked, SSE2_ALIGNED), ["Vdq", "Wx"]],
  [row("F3 0F E6 /r", "CVTDQ2PD", ["Vpd", "Wq"], cvtdq2pd, SSE2), ["Vx", "Wdq"]],
  [row("66 0F E6 /r", "CVTTPD2DQ", ["Vdq", "Wpd"], toDwords("pd", "trunc"), SSE2_ALIGNED), ["Vdq", "Wx"]],
  [row("F2 0F E6 /r", "CVTPD2DQ", ["Vdq", "Wpd"], toDwords("pd", "nearest"), SSE2_ALIGNED), ["Vdq", "Wx"]],
];

const intoScalars: readonly Row[] = [
  row("F3 0F 5A /r", "CVTSS2SD", ["Vsd", "Wss"], widen, SSE2),
  row("F2 0F 5A /r", "CVTSD2SS", ["Vss", "Wsd"], narrow, SSE2),
  row("F3 0F 2A /r", "CVTSI2SS", ["Vss", "Ey"], fromInteger("ss"), { fpu: "sse", cpuid: "sse" }),
  row("F2 0F 2A /r", "CVTSI2SD", ["Vsd", "Ey"], fromInteger("sd"), SSE2),
  roundRow("0A", "ss"),
  roundRow("0B", "sd"),
];

const intoIntegers: readonly Row[] = [
  row("F3 0F 2C /r", "CVTTSS2SI", ["Gy", "Wss"], toInteger("ss", "trunc"), { fpu: "sse", cpuid: "sse" }),
  row("F3 0F 2D /r", "CVTSS2SI", ["Gy", "Wss"], toInteger("ss", "nearest"), { fpu: "sse", cpuid: "sse" }),
  row("F2 0F 2C /r", "CVTTSD2SI", ["Gy", "Wsd"], toInteger("sd", "trunc"), SSE2),
  row("F2 0F 2D /r", "CVTSD2SI", ["Gy", "Wsd"], toInteger("sd", "nearest"), SSE2),
];
const roundings: readonly Row[] = [roundRow("08", "ps"), roundRow("09", "pd")];

export const rows: readonly Row[] = [
  ...sameWidth,
  ...intoScalars,
  ...intoIntegers,
  ...roundings,
  ...twoWidths.flatMap(([legacy, operands]) => [
    legacy,
    ...vexForms([legacy], { operands: "same" }),
    row(vexEncoding(legacy.encoding, "256"), `V${legacy.mnemonic}`, operands, legacy.semantics, AVX),
  ]),
  ...vexForms([...sameWidth, ...roundings], { operands: "same", wide: "avx" }),
  ...vexForms(intoScalars, { operands: "three", scalar: true }),
  ...vexForms(intoIntegers, { operands: "same", scalar: true }),
];

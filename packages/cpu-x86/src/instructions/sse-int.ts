// Packed integer arithmetic, comparison and logic. SDM vol. 2B, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { PlainOp } from "@tsvm/wasm-emit";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { type Lanes, laneConstant, laneOp, pickLanes, splat, splatConstant, zeroVector } from "./vector-lanes.ts";
import { mapLanes, vexForms, withFirstSource } from "./vector-operands.ts";

/** A result computed from both operands, as vectors. */
export type Compute = (b: X86Builder, x: Val, y: Val) => Val;

const packed =
  (compute: Compute): Semantics =>
  (b, ...operands) => {
    const [dst, first, second] = withFirstSource(b, operands);
    mapLanes(dst!, [first!, second!], (x, y) => compute(b, x, y));
  };
/** One WebAssembly operation that means the same. */
const direct =
  (op: PlainOp): Compute =>
  (b, x, y) =>
    b.op(op, x, y);

// --- logic ---

const and = direct("v128.and");
const or = direct("v128.or");
const xor = direct("v128.xor");
/** DEST <- NOT DEST AND SRC. */
export const andn: Compute = (b, x, y) => b.op("v128.andnot", y, x);

// --- multiplication ---

/** Bits 31:16 of the eight products. */
export const mulHigh =
  (sign: "s" | "u"): Compute =>
  (b, x, y) => {
    const low = b.op(`i32x4.extmul_low_i16x8_${sign}`, x, y);
    const high = b.op(`i32x4.extmul_high_i16x8_${sign}`, x, y);
    return pickLanes(b, 2, [1, 3, 5, 7, 9, 11, 13, 15], low, high);
  };

/** The two 64-bit products of the even dwords. */
const mulEven =
  (sign: "s" | "u"): Compute =>
  (b, x, y) => {
    const even = (v: Val): Val => pickLanes(b, 4, [0, 2, 0, 2], v, v);
    return b.op(`i64x2.extmul_low_i32x4_${sign}`, even(x), even(y));
  };

/** (x * y >> 14) + 1 >> 1. The product of two -32768 is -32768 where WebAssembly saturates. */
export const mulRoundScale: Compute = (b, x, y) => {
  const product = b.op("i16x8.q15mulr_sat_s", x, y);
  const least = splatConstant(b, "i16x8", -0x8000);
  const bothLeast = b.op("v128.and", b.op("i16x8.eq", x, least), b.op("i16x8.eq", y, least));
  return b.op("v128.xor", product, bothLeast);
};

/** Unsigned bytes of DEST times signed bytes of SRC, neighbours added with saturation. */
export const maddUnsignedSigned: Compute = (b, x, y) => {
  const eight = b.const32(8);
  const even = b.op(
    "i16x8.mul",
    b.op("v128.and", x, splatConstant(b, "i16x8", 0xff)),
    b.op("i16x8.shr_s", b.op("i16x8.shl", y, eight), eight),
  );
  const odd = b.op("i16x8.mul", b.op("i16x8.shr_u", x, eight), b.op("i16x8.shr_s", y, eight));
  return b.op("i16x8.add_sat_s", even, odd);
};

// --- sums ---

export const absoluteDifference: Compute = (b, x, y) =>
  b.op("v128.or", b.op("i8x16.sub_sat_u", x, y), b.op("i8x16.sub_sat_u", y, x));

/** The absolute differences of eight bytes summed up, in each half. */
const sumDifferences: Compute = (b, x, y) => {
  const words = b.op("i16x8.extadd_pairwise_i8x16_u", absoluteDifference(b, x, y));
  const dwords = b.op("i32x4.extadd_pairwise_i16x8_u", words);
  const sum = b.op("i64x2.add", dwords, b.op("i64x2.shr_u", dwords, b.const32(32)));
  return b.op("v128.and", sum, splatConstant(b, "i64x2", 0xffff));
};

/** Neighbours of DEST, then of SRC, joined: lanes 2i and 2i + 1 of the two side by side. */
export const horizontal =
  (bytes: 2 | 4, op: PlainOp): Compute =>
  (b, x, y) => {
    const count = 16 / bytes;
    const every = (first: number): number[] => new Array(count).fill(0).map((_, i) => 2 * i + first);
    return b.op(op, pickLanes(b, bytes, every(0), x, y), pickLanes(b, bytes, every(1), x, y));
  };

/** DEST as it is, negated or 0 where SRC is positive, negative or 0. */
export const withSignOf =
  (lanes: Lanes): Compute =>
  (b, x, y) => {
    const zero = zeroVector(b);
    const signed = b.op("v128.bitselect", b.op(laneOp(lanes, "neg"), x), x, b.op(laneOp(lanes, "lt_s"), y, zero));
    return b.op("v128.andnot", signed, b.op(laneOp(lanes, "eq"), y, zero));
  };

/** The smallest word in word 0, its number in word 1; the first one if there are several. */
const smallestWord: Semantics = (b, dst, src) => {
  const words = src!.load();
  let least = words;
  for (const distance of [4, 2, 1]) {
    const turned = new Array(8).fill(0).map((_, i) => (i + distance) % 8);
    least = b.op("i16x8.min_u", least, pickLanes(b, 2, turned, least, least));
  }
  const where = b.op("i16x8.bitmask", b.op("i16x8.eq", words, least));
  const value = b.op("i64.extend_i32_u", b.lane("i16x8.extract_lane_u", 0, least));
  const position = b.op("i64.extend_i32_u", b.op("i32.ctz", where));
  const result = b.or(value, b.shl(position, b.const(16)));
  dst!.store(b.lane("i64x2.replace_lane", 0, zeroVector(b), result));
};

/**
 * Eight sums of four absolute differences: a window of DEST sliding by one byte against four fixed bytes of SRC.
 * Bit 2 of the immediate chooses the start of the window in DEST, bits 1:0 the dword of SRC; bits 5:3 in the high lane.
 */
const slidingDifferences: Semantics = (b, ...operands) => {
  const [dst, windows, fixed, immediate] = withFirstSource(b, operands);
  let imm = b.and(immediate!.load(), b.const(0x3f));
  mapLanes(dst!, [windows!, fixed!], (x, y) => {
    const sums = differencesInWindow(b, x, y, imm);
    imm = b.shr(imm, b.const(3));
    return sums;
  });
};

function differencesInWindow(b: X86Builder, window: Val, fixed: Val, imm: Val): Val {
  const chosen = b.and(imm, b.const(3));
  const first = splat(b, "i8x16", b.mul(chosen, b.const(4)));
  const start = splat(b, "i8x16", b.and(imm, b.const(4)));
  let sum = zeroVector(b);
  for (let i = 0; i < 4; i++) {
    const from = laneConstant(
      b,
      "i8x16",
      new Array(16).fill(0).map((_, lane) => lane + i),
    );
    const bytes = b.op("i8x16.swizzle", window, b.op("i8x16.add", from, start));
    const against = b.op("i8x16.swizzle", fixed, b.op("i8x16.add", first, splatConstant(b, "i8x16", i)));
    sum = b.op("i16x8.add", sum, b.op("i16x8.extend_low_i8x16_u", absoluteDifference(b, bytes, against)));
  }
  return sum;
}

/** ZF: SRC AND DEST is 0; CF: SRC AND NOT DEST is 0; the others are cleared. */
const ptest: Semantics = (b, dst, src) => {
  const y = src!.loadLanes();
  const x = dst!.loadLanes();
  const none = (op: "v128.and" | "v128.andnot"): Val => {
    const lanes = x.map((lane, i) => b.op(op, y[i] as Val, lane));
    const all = lanes.reduce((sum, lane) => b.op("v128.or", sum, lane));
    return b.bool(b.isFalse(b.op("v128.any_true", all)));
  };
  b.flags.load(b.or(none("v128.andnot"), b.shl(none("v128.and"), b.const(6))));
};

/** PABSB and its like look at SRC only. */
const absolute =
  (lanes: Lanes): Semantics =>
  (b, dst, src) =>
    mapLanes(dst!, [src!], (x) => b.op(laneOp(lanes, "abs"), x));

const family = (map: string, cpuid: string, table: Readonly<Record<string, readonly [string, Compute]>>): Row[] =>
  Object.entries(table).map(([opcode, [name, compute]]) =>
    row(`66 ${map} ${opcode} /r`, name, ["Vdq", "Wdq"], packed(compute), { fpu: "sse", cpuid, aligned: true }),
  );

/** AND, ANDN, OR and XOR of floating-point registers look at no value. */
const floatLogic = (opcode: string, name: string, compute: Compute): Row[] => [
  row(`NP 0F ${opcode} /r`, `${name}PS`, ["Vps", "Wps"], packed(compute), { fpu: "sse", cpuid: "sse", aligned: true }),
  row(`66 0F ${opcode} /r`, `${name}PD`, ["Vpd", "Wpd"], packed(compute), { fpu: "sse", cpuid: "sse2", aligned: true }),
];

const SSSE3: RowOptions = { fpu: "sse", cpuid: "ssse3", aligned: true };
const SSE41: RowOptions = { fpu: "sse", cpuid: "sse4.1", aligned: true };

const logic: readonly Row[] = [
  ...floatLogic("54", "AND", and),
  ...floatLogic("55", "ANDN", andn),
  ...floatLogic("56", "OR", or),
  ...floatLogic("57", "XOR", xor),
];

const arithmetic: readonly Row[] = [
  ...family("0F", "sse2", {
    "64": ["PCMPGTB", direct("i8x16.gt_s")],
    "65": ["PCMPGTW", direct("i16x8.gt_s")],
    "66": ["PCMPGTD", direct("i32x4.gt_s")],
    "74": ["PCMPEQB", direct("i8x16.eq")],
    "75": ["PCMPEQW", direct("i16x8.eq")],
    "76": ["PCMPEQD", direct("i32x4.eq")],
    D4: ["PADDQ", direct("i64x2.add")],
    D5: ["PMULLW", direct("i16x8.mul")],
    D8: ["PSUBUSB", direct("i8x16.sub_sat_u")],
    D9: ["PSUBUSW", direct("i16x8.sub_sat_u")],
    DA: ["PMINUB", direct("i8x16.min_u")],
    DB: ["PAND", and],
    DC: ["PADDUSB", direct("i8x16.add_sat_u")],
    DD: ["PADDUSW", direct("i16x8.add_sat_u")],
    DE: ["PMAXUB", direct("i8x16.max_u")],
    DF: ["PANDN", andn],
    E0: ["PAVGB", direct("i8x16.avgr_u")],
    E3: ["PAVGW", direct("i16x8.avgr_u")],
    E4: ["PMULHUW", mulHigh("u")],
    E5: ["PMULHW", mulHigh("s")],
    E8: ["PSUBSB", direct("i8x16.sub_sat_s")],
    E9: ["PSUBSW", direct("i16x8.sub_sat_s")],
    EA: ["PMINSW", direct("i16x8.min_s")],
    EB: ["POR", or],
    EC: ["PADDSB", direct("i8x16.add_sat_s")],
    ED: ["PADDSW", direct("i16x8.add_sat_s")],
    EE: ["PMAXSW", direct("i16x8.max_s")],
    EF: ["PXOR", xor],
    F4: ["PMULUDQ", mulEven("u")],
    F5: ["PMADDWD", direct("i32x4.dot_i16x8_s")],
    F6: ["PSADBW", sumDifferences],
    F8: ["PSUBB", direct("i8x16.sub")],
    F9: ["PSUBW", direct("i16x8.sub")],
    FA: ["PSUBD", direct("i32x4.sub")],
    FB: ["PSUBQ", direct("i64x2.sub")],
    FC: ["PADDB", direct("i8x16.add")],
    FD: ["PADDW", direct("i16x8.add")],
    FE: ["PADDD", direct("i32x4.add")],
  }),
  ...family("0F 38", "ssse3", {
    "01": ["PHADDW", horizontal(2, "i16x8.add")],
    "02": ["PHADDD", horizontal(4, "i32x4.add")],
    "03": ["PHADDSW", horizontal(2, "i16x8.add_sat_s")],
    "04": ["PMADDUBSW", maddUnsignedSigned],
    "05": ["PHSUBW", horizontal(2, "i16x8.sub")],
    "06": ["PHSUBD", horizontal(4, "i32x4.sub")],
    "07": ["PHSUBSW", horizontal(2, "i16x8.sub_sat_s")],
    "08": ["PSIGNB", withSignOf("i8x16")],
    "09": ["PSIGNW", withSignOf("i16x8")],
    "0A": ["PSIGND", withSignOf("i32x4")],
    "0B": ["PMULHRSW", mulRoundScale],
  }),
  ...family("0F 38", "sse4.1", {
    "28": ["PMULDQ", mulEven("s")],
    "29": ["PCMPEQQ", direct("i64x2.eq")],
    "38": ["PMINSB", direct("i8x16.min_s")],
    "39": ["PMINSD", direct("i32x4.min_s")],
    "3A": ["PMINUW", direct("i16x8.min_u")],
    "3B": ["PMINUD", direct("i32x4.min_u")],
    "3C": ["PMAXSB", direct("i8x16.max_s")],
    "3D": ["PMAXSD", direct("i32x4.max_s")],
    "3E": ["PMAXUW", direct("i16x8.max_u")],
    "3F": ["PMAXUD", direct("i32x4.max_u")],
    "40": ["PMULLD", direct("i32x4.mul")],
  }),
  ...family("0F 38", "sse4.2", { "37": ["PCMPGTQ", direct("i64x2.gt_s")] }),
  row("66 0F 3A 42 /r ib", "MPSADBW", ["Vdq", "Wdq", "Ib"], slidingDifferences, SSE41),
];

const absolutes: readonly Row[] = [
  row("66 0F 38 1C /r", "PABSB", ["Vdq", "Wdq"], absolute("i8x16"), SSSE3),
  row("66 0F 38 1D /r", "PABSW", ["Vdq", "Wdq"], absolute("i16x8"), SSSE3),
  row("66 0F 38 1E /r", "PABSD", ["Vdq", "Wdq"], absolute("i32x4"), SSSE3),
];
const test = row("66 0F 38 17 /r", "PTEST", ["Vdq", "Wdq"], ptest, SSE41);
const smallest = row("66 0F 38 41 /r", "PHMINPOSUW", ["Vdq", "Wdq"], smallestWord, SSE41);

export const rows: readonly Row[] = [
  ...logic,
  ...arithmetic,
  ...absolutes,
  test,
  smallest,
  ...vexForms(logic, { operands: "three", wide: "avx" }),
  ...vexForms(arithmetic, { operands: "three", wide: "avx2" }),
  ...vexForms(absolutes, { operands: "same", wide: "avx2" }),
  ...vexForms([test], { operands: "same", wide: "avx" }),
  ...vexForms([smallest], { operands: "same" }),
];

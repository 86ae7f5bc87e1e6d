// Unpack, pack, shuffle, blend, align, extend, insert and extract. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { PlainOp } from "@tsvm/wasm-emit";
import type { X86Builder } from "../emit/x86-builder.ts";
import { AT } from "../state/layout.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import {
  clamp,
  extractLane,
  fromHalves,
  fromLow,
  highHalf,
  insertLane,
  LANE_BITS,
  type Lanes,
  lowHalf,
  maskOfBits,
  moveBytes,
  permuteDwords,
  permuteWords,
  pickLanes,
  splatConstant,
} from "./vector-lanes.ts";

const SSE: RowOptions = { fpu: "sse", cpuid: "sse", aligned: true };
const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2", aligned: true };
const SSSE3: RowOptions = { fpu: "sse", cpuid: "ssse3", aligned: true };
const SSE41: RowOptions = { fpu: "sse", cpuid: "sse4.1", aligned: true };

/** A result computed from both operands, as vectors, and the immediate if there is one. */
type Compute = (b: X86Builder, x: Val, y: Val, immediate: Val) => Val;

const packed =
  (compute: Compute): Semantics =>
  (b, dst, src, immediate) => {
    const y = src!.load();
    dst!.store(compute(b, dst!.load(), y, immediate?.load() ?? b.const(0)));
  };

// --- fixed permutations ---

/** Lanes of the low or high halves, alternately from DEST and SRC. */
const unpack =
  (bytes: 1 | 2 | 4 | 8, half: "low" | "high"): Compute =>
  (b, x, y) => {
    const count = 16 / bytes;
    const first = half === "low" ? 0 : count / 2;
    const lanes = new Array(count).fill(0).map((_, i) => first + (i >> 1) + (i & 1) * count);
    return pickLanes(b, bytes, lanes, x, y);
  };

const narrow =
  (op: PlainOp): Compute =>
  (b, x, y) =>
    b.op(op, x, y);

/** Bytes of DEST by their number in SRC; 0 where bit 7 is set. Numbers above 15 without bit 7 count modulo 16. */
const pshufb: Compute = (b, x, y) => b.op("i8x16.swizzle", x, b.op("v128.and", y, splatConstant(b, "i8x16", 0x8f)));

// --- permutations by immediate ---

const pshufd: Compute = (b, _x, y, imm) => permuteDwords(b, y, imm);
const pshuflw: Compute = (b, _x, y, imm) => permuteWords(b, y, imm, 0);
const pshufhw: Compute = (b, _x, y, imm) => permuteWords(b, y, imm, 1);

/** Two dwords of DEST, then two of SRC. */
const shufps: Compute = (b, x, y, imm) =>
  pickLanes(b, 4, [0, 1, 6, 7], permuteDwords(b, x, imm), permuteDwords(b, y, imm));

const shufpd: Compute = (b, x, y, imm) => {
  const half = (v: Val, bit: number): Val => b.select(b.wrap(b.and(imm, b.const(bit))), highHalf(b, v), lowHalf(b, v));
  return fromHalves(b, half(x, 1), half(y, 2));
};

/** DEST above SRC, shifted right by the immediate in bytes. */
const palignr: Compute = (b, x, y, imm) => {
  const distance = clamp(b, imm, 32);
  return b.op("v128.or", moveBytes(b, y, distance), moveBytes(b, x, b.sub(distance, b.const(16))));
};

// --- blends ---

/** SRC where the bit of the immediate is set. */
const blendByImmediate =
  (lanes: Exclude<Lanes, "i8x16">): Compute =>
  (b, x, y, imm) =>
    b.op("v128.bitselect", y, x, maskOfBits(b, lanes, imm));

/** SRC where the lane of XMM0 has its sign set. */
const blendBySign =
  (lanes: "i8x16" | "i32x4" | "i64x2"): Compute =>
  (b, x, y) => {
    const xmm0 = b.load("v128.load", undefined, AT.zmm);
    return b.op("v128.bitselect", y, x, b.op(`${lanes}.shr_s`, xmm0, b.const32(LANE_BITS[lanes] - 1)));
  };

// --- extension: the low lanes of SRC, wider ---

const extend =
  (...ops: readonly PlainOp[]): Semantics =>
  (b, dst, src) =>
    dst!.store(ops.reduce((vector, op) => b.op(op, vector), fromLow(b, src!.load())));

/** PMOVSX and PMOVZX: opcodes differ by 10. */
function extensions(sign: "s" | "u", base: number, name: string): Row[] {
  const byteToWord = `i16x8.extend_low_i8x16_${sign}` as const;
  const wordToDword = `i32x4.extend_low_i16x8_${sign}` as const;
  const dwordToQword = `i64x2.extend_low_i32x4_${sign}` as const;
  const table: readonly [string, OperandCode, readonly PlainOp[]][] = [
    ["BW", "Wq", [byteToWord]],
    ["BD", "Wd", [byteToWord, wordToDword]],
    ["BQ", "Ww", [byteToWord, wordToDword, dwordToQword]],
    ["WD", "Wq", [wordToDword]],
    ["WQ", "Wd", [wordToDword, dwordToQword]],
    ["DQ", "Wq", [dwordToQword]],
  ];
  return table.map(([suffix, source, ops], i) =>
    row(`66 0F 38 ${(base + i).toString(16)} /r`, `${name}${suffix}`, ["Vdq", source], extend(...ops), SSE41),
  );
}

// --- single lanes ---

const extract =
  (lanes: Lanes): Semantics =>
  (b, dst, src, immediate) =>
    dst!.store(extractLane(b, lanes, src!.load(), immediate!.load()));

const insert =
  (lanes: Lanes): Semantics =>
  (b, dst, src, immediate) => {
    const value = src!.load();
    dst!.store(insertLane(b, lanes, dst!.load(), immediate!.load(), value));
  };

/** PEXTRD PEXTRQ, PINSRD PINSRQ: by the operand size. */
const bySize =
  (semantics: (lanes: Lanes) => Semantics): Semantics =>
  (b, ...operands) =>
    semantics(b.shape.opsize === 64 ? "i64x2" : "i32x4")(b, ...operands);

/** The dword (bits 7:6 choose it in a register) into lane 5:4; then the lanes of 3:0 are cleared. */
const insertps: Semantics = (b, dst, src, immediate) => {
  const imm = immediate!.load();
  const field = (shift: number): Val => b.and(b.shr(imm, b.const(shift)), b.const(3));
  const value = src!.memory ? src!.load() : extractLane(b, "i32x4", src!.load(), field(6));
  const inserted = insertLane(b, "i32x4", dst!.load(), field(4), value);
  dst!.store(b.op("v128.andnot", inserted, maskOfBits(b, "i32x4", imm)));
};

const unpacks = (opcode: string, name: string, half: "low" | "high"): Row[] => [
  row(`NP 0F ${opcode} /r`, `${name}PS`, ["Vps", "Wps"], packed(unpack(4, half)), SSE),
  row(`66 0F ${opcode} /r`, `${name}PD`, ["Vpd", "Wpd"], packed(unpack(8, half)), SSE2),
];

const family = (encodings: Readonly<Record<string, readonly [string, Compute]>>, options: RowOptions): Row[] =>
  Object.entries(encodings).map(([encoding, [name, compute]]) =>
    row(encoding, name, encoding.endsWith("ib") ? ["Vdq", "Wdq", "Ib"] : ["Vdq", "Wdq"], packed(compute), options),
  );

export const rows: readonly Row[] = [
  ...unpacks("14", "UNPCKL", "low"),
  ...unpacks("15", "UNPCKH", "high"),
  ...family({ "NP 0F C6 /r ib": ["SHUFPS", shufps] }, SSE),
  ...family(
    {
      "66 0F 60 /r": ["PUNPCKLBW", unpack(1, "low")],
      "66 0F 61 /r": ["PUNPCKLWD", unpack(2, "low")],
      "66 0F 62 /r": ["PUNPCKLDQ", unpack(4, "low")],
      "66 0F 63 /r": ["PACKSSWB", narrow("i8x16.narrow_i16x8_s")],
      "66 0F 67 /r": ["PACKUSWB", narrow("i8x16.narrow_i16x8_u")],
      "66 0F 68 /r": ["PUNPCKHBW", unpack(1, "high")],
      "66 0F 69 /r": ["PUNPCKHWD", unpack(2, "high")],
      "66 0F 6A /r": ["PUNPCKHDQ", unpack(4, "high")],
      "66 0F 6B /r": ["PACKSSDW", narrow("i16x8.narrow_i32x4_s")],
      "66 0F 6C /r": ["PUNPCKLQDQ", unpack(8, "low")],
      "66 0F 6D /r": ["PUNPCKHQDQ", unpack(8, "high")],
      "66 0F 70 /r ib": ["PSHUFD", pshufd],
      "F2 0F 70 /r ib": ["PSHUFLW", pshuflw],
      "F3 0F 70 /r ib": ["PSHUFHW", pshufhw],
      "66 0F C6 /r ib": ["SHUFPD", shufpd],
    },
    SSE2,
  ),
  ...family({ "66 0F 38 00 /r": ["PSHUFB", pshufb], "66 0F 3A 0F /r ib": ["PALIGNR", palignr] }, SSSE3),
  ...family(
    {
      "66 0F 38 10 /r": ["PBLENDVB", blendBySign("i8x16")],
      "66 0F 38 14 /r": ["BLENDVPS", blendBySign("i32x4")],
      "66 0F 38 15 /r": ["BLENDVPD", blendBySign("i64x2")],
      "66 0F 38 2B /r": ["PACKUSDW", narrow("i16x8.narrow_i32x4_u")],
      "66 0F 3A 0C /r ib": ["BLENDPS", blendByImmediate("i32x4")],
      "66 0F 3A 0D /r ib": ["BLENDPD", blendByImmediate("i64x2")],
      "66 0F 3A 0E /r ib": ["PBLENDW", blendByImmediate("i16x8")],
    },
    SSE41,
  ),
  ...extensions("s", 0x20, "PMOVSX"),
  ...extensions("u", 0x30, "PMOVZX"),
  row("66 0F C4 /r ib", "PINSRW", ["Vdq", "Ew", "Ib"], insert("i16x8"), SSE2),
  row("66 0F C5 /r ib", "PEXTRW", ["Gd", "Udq", "Ib"], extract("i16x8"), SSE2),
  // In a register the extracted byte or word is zero-extended.
  row("66 0F 3A 14 /r ib", "PEXTRB", ["Rd", "Vdq", "Ib"], extract("i8x16"), SSE41),
  row("66 0F 3A 14 /r ib", "PEXTRB", ["Mb", "Vdq", "Ib"], extract("i8x16"), SSE41),
  row("66 0F 3A 15 /r ib", "PEXTRW", ["Rd", "Vdq", "Ib"], extract("i16x8"), SSE41),
  row("66 0F 3A 15 /r ib", "PEXTRW", ["Mw", "Vdq", "Ib"], extract("i16x8"), SSE41),
  row("66 0F 3A 16 /r ib", "PEXTRD", ["Ey", "Vdq", "Ib"], bySize(extract), SSE41),
  row("66 0F 3A 17 /r ib", "EXTRACTPS", ["Ed", "Vdq", "Ib"], extract("i32x4"), SSE41),
  row("66 0F 3A 20 /r ib", "PINSRB", ["Vdq", "Rd", "Ib"], insert("i8x16"), SSE41),
  row("66 0F 3A 20 /r ib", "PINSRB", ["Vdq", "Mb", "Ib"], insert("i8x16"), SSE41),
  row("66 0F 3A 21 /r ib", "INSERTPS", ["Vdq", "Udq", "Ib"], insertps, SSE41),
  row("66 0F 3A 21 /r ib", "INSERTPS", ["Vdq", "Md", "Ib"], insertps, SSE41),
  row("66 0F 3A 22 /r ib", "PINSRD", ["Vdq", "Ey", "Ib"], bySize(insert), SSE41),
];

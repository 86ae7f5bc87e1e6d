// Unpack, pack, shuffle, blend, align, extend, insert and extract. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { PlainOp } from "@tsvm/wasm-emit";
import type { X86Builder } from "../emit/x86-builder.ts";
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
import { mapLanes, type PackedCompute, packed, vexForms, withFirstSource } from "./vector-operands.ts";

const SSE: RowOptions = { fpu: "sse", cpuid: "sse", aligned: true };
const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2", aligned: true };
const SSSE3: RowOptions = { fpu: "sse", cpuid: "ssse3", aligned: true };
const SSE41: RowOptions = { fpu: "sse", cpuid: "sse4.1", aligned: true };

/** Permutations of SRC alone. */
const permuted =
  (compute: (b: X86Builder, x: Val, immediate: Val) => Val): Semantics =>
  (b, dst, src, immediate) => {
    const imm = immediate!.load();
    mapLanes(dst!, [src!], (x) => compute(b, x, imm));
  };

// --- fixed permutations ---

/** Lanes of the low or high halves, alternately from DEST and SRC. */
const unpack =
  (bytes: 1 | 2 | 4 | 8, half: "low" | "high"): PackedCompute =>
  (b, x, y) => {
    const count = 16 / bytes;
    const first = half === "low" ? 0 : count / 2;
    const lanes = new Array(count).fill(0).map((_, i) => first + (i >> 1) + (i & 1) * count);
    return pickLanes(b, bytes, lanes, x, y);
  };

const narrow =
  (op: PlainOp): PackedCompute =>
  (b, x, y) =>
    b.op(op, x, y);

/** Bytes of DEST by their number in SRC; 0 where bit 7 is set. Numbers above 15 without bit 7 count modulo 16. */
const pshufb: PackedCompute = (b, x, y) =>
  b.op("i8x16.swizzle", x, b.op("v128.and", y, splatConstant(b, "i8x16", 0x8f)));

// --- permutations by immediate ---

const pshufd = permuted(permuteDwords);
const pshuflw = permuted((b, x, imm) => permuteWords(b, x, imm, 0));
const pshufhw = permuted((b, x, imm) => permuteWords(b, x, imm, 1));

/** Two dwords of DEST, then two of SRC. */
const shufps: PackedCompute = (b, x, y, imm) =>
  pickLanes(b, 4, [0, 1, 6, 7], permuteDwords(b, x, imm), permuteDwords(b, y, imm));

/** Bits 1:0 of the immediate choose in the low lane, 3:2 in the high one. */
const shufpd: Semantics = (b, ...operands) => {
  const [dst, first, second, immediate] = withFirstSource(b, operands);
  let imm = immediate!.load();
  mapLanes(dst!, [first!, second!], (x, y) => {
    const chosen = chooseHalves(b, x, y, imm);
    imm = b.shr(imm, b.const(2));
    return chosen;
  });
};

/** A half of `x`, by bit 0, below a half of `y`, by bit 1. */
export function chooseHalves(b: X86Builder, x: Val, y: Val, bits: Val): Val {
  const half = (v: Val, bit: number): Val => b.select(b.wrap(b.and(bits, b.const(bit))), highHalf(b, v), lowHalf(b, v));
  return fromHalves(b, half(x, 1), half(y, 2));
}

/** DEST above SRC, shifted right by the immediate in bytes. */
const palignr: PackedCompute = (b, x, y, imm) => {
  const distance = clamp(b, imm, 32);
  return b.op("v128.or", moveBytes(b, y, distance), moveBytes(b, x, b.sub(distance, b.const(16))));
};

// --- blends ---

/** SRC where the bit of the immediate is set; the bits go on in the high lane, but those for words are the same. */
export const blendByImmediate =
  (lanes: Exclude<Lanes, "i8x16">): Semantics =>
  (b, ...operands) => {
    const [dst, first, second, immediate] = withFirstSource(b, operands);
    let imm = immediate!.load();
    mapLanes(dst!, [first!, second!], (x, y) => {
      const blended = b.op("v128.bitselect", y, x, maskOfBits(b, lanes, imm));
      if (lanes !== "i16x8") imm = b.shr(imm, b.const(128 / LANE_BITS[lanes]));
      return blended;
    });
  };

/** SRC where the lane of XMM0, or of the register in the immediate, has its sign set. */
const blendBySign =
  (lanes: "i8x16" | "i32x4" | "i64x2"): Semantics =>
  (b, ...operands) => {
    const [dst, first, second, mask] = withFirstSource(b, operands);
    const signs = mask?.loadLanes() ?? [b.vectorRegister(128, b.const32(0))];
    let lane = 0;
    mapLanes(dst!, [first!, second!], (x, y) => {
      const chosen = b.op(`${lanes}.shr_s`, signs[lane++] as Val, b.const32(LANE_BITS[lanes] - 1));
      return b.op("v128.bitselect", y, x, chosen);
    });
  };

// --- extension: the low lanes of SRC, wider ---

const extend =
  (...ops: readonly PlainOp[]): Semantics =>
  (b, dst, src) => {
    const low = src!.width === 128 ? src!.load() : fromLow(b, src!.load());
    const extendLow = (vector: Val): Val => ops.reduce((value, op) => b.op(op, value), vector);
    if (dst!.lanes === 1) return dst!.store(extendLow(low));
    // The high lane is made of what follows the low one's source.
    const used = 16 >> ops.length;
    const next = b.shuffle(
      new Array(16).fill(0).map((_, i) => (i + used) % 16),
      low,
      low,
    );
    dst!.storeLanes([extendLow(low), extendLow(next)]);
  };

/** Sources twice as wide, for twice as many results. */
const TWICE: Readonly<Partial<Record<OperandCode, OperandCode>>> = { Wq: "Wdq", Wd: "Wq", Ww: "Wd" };

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
  return table.flatMap(([suffix, source, ops], i) => {
    const opcode = `${(base + i).toString(16)} /r`;
    const legacy = row(`66 0F 38 ${opcode}`, `${name}${suffix}`, ["Vdq", source], extend(...ops), SSE41);
    const wide = [`Vx`, TWICE[source] as OperandCode] as const;
    const avx2: RowOptions = { fpu: "avx", cpuid: "avx2", protectedOnly: true };
    return [
      legacy,
      ...vexForms([legacy], { operands: "same" }),
      row(`VEX.256.66.0F38.WIG ${opcode}`, `V${name}${suffix}`, wide, extend(...ops), avx2),
    ];
  });
}

// --- single lanes ---

const extract =
  (lanes: Lanes): Semantics =>
  (b, dst, src, immediate) =>
    dst!.store(extractLane(b, lanes, src!.load(), immediate!.load()));

const insert =
  (lanes: Lanes): Semantics =>
  (b, ...operands) => {
    const [dst, first, src, immediate] = withFirstSource(b, operands);
    const value = src!.load();
    dst!.store(insertLane(b, lanes, first!.load(), immediate!.load(), value));
  };

/** PEXTRD PEXTRQ, PINSRD PINSRQ: by the operand size. */
const bySize =
  (semantics: (lanes: Lanes) => Semantics): Semantics =>
  (b, ...operands) =>
    semantics(b.shape.opsize === 64 ? "i64x2" : "i32x4")(b, ...operands);

/** The dword (bits 7:6 choose it in a register) into lane 5:4; then the lanes of 3:0 are cleared. */
const insertps: Semantics = (b, ...operands) => {
  const [dst, first, src, immediate] = withFirstSource(b, operands);
  const imm = immediate!.load();
  const field = (shift: number): Val => b.and(b.shr(imm, b.const(shift)), b.const(3));
  const value = src!.memory ? src!.load() : extractLane(b, "i32x4", src!.load(), field(6));
  const inserted = insertLane(b, "i32x4", first!.load(), field(4), value);
  dst!.store(b.op("v128.andnot", inserted, maskOfBits(b, "i32x4", imm)));
};

const unpacks = (opcode: string, name: string, half: "low" | "high"): Row[] => [
  row(`NP 0F ${opcode} /r`, `${name}PS`, ["Vps", "Wps"], packed(unpack(4, half)), SSE),
  row(`66 0F ${opcode} /r`, `${name}PD`, ["Vpd", "Wpd"], packed(unpack(8, half)), SSE2),
];

const family = (encodings: Readonly<Record<string, readonly [string, Semantics]>>, options: RowOptions): Row[] =>
  Object.entries(encodings).map(([encoding, [name, semantics]]) =>
    row(encoding, name, encoding.endsWith("ib") ? ["Vdq", "Wdq", "Ib"] : ["Vdq", "Wdq"], semantics, options),
  );

const floatShuffles: readonly Row[] = [
  ...unpacks("14", "UNPCKL", "low"),
  ...unpacks("15", "UNPCKH", "high"),
  ...family({ "NP 0F C6 /r ib": ["SHUFPS", packed(shufps)] }, SSE),
  ...family({ "66 0F C6 /r ib": ["SHUFPD", shufpd] }, SSE2),
  ...family(
    {
      "66 0F 3A 0C /r ib": ["BLENDPS", blendByImmediate("i32x4")],
      "66 0F 3A 0D /r ib": ["BLENDPD", blendByImmediate("i64x2")],
    },
    SSE41,
  ),
];

const integerShuffles: readonly Row[] = [
  ...family(
    {
      "66 0F 60 /r": ["PUNPCKLBW", packed(unpack(1, "low"))],
      "66 0F 61 /r": ["PUNPCKLWD", packed(unpack(2, "low"))],
      "66 0F 62 /r": ["PUNPCKLDQ", packed(unpack(4, "low"))],
      "66 0F 63 /r": ["PACKSSWB", packed(narrow("i8x16.narrow_i16x8_s"))],
      "66 0F 67 /r": ["PACKUSWB", packed(narrow("i8x16.narrow_i16x8_u"))],
      "66 0F 68 /r": ["PUNPCKHBW", packed(unpack(1, "high"))],
      "66 0F 69 /r": ["PUNPCKHWD", packed(unpack(2, "high"))],
      "66 0F 6A /r": ["PUNPCKHDQ", packed(unpack(4, "high"))],
      "66 0F 6B /r": ["PACKSSDW", packed(narrow("i16x8.narrow_i32x4_s"))],
      "66 0F 6C /r": ["PUNPCKLQDQ", packed(unpack(8, "low"))],
      "66 0F 6D /r": ["PUNPCKHQDQ", packed(unpack(8, "high"))],
    },
    SSE2,
  ),
  ...family({ "66 0F 38 00 /r": ["PSHUFB", packed(pshufb)], "66 0F 3A 0F /r ib": ["PALIGNR", packed(palignr)] }, SSSE3),
  ...family(
    {
      "66 0F 38 2B /r": ["PACKUSDW", packed(narrow("i16x8.narrow_i32x4_u"))],
      "66 0F 3A 0E /r ib": ["PBLENDW", blendByImmediate("i16x8")],
    },
    SSE41,
  ),
];

const permutations: readonly Row[] = family(
  {
    "66 0F 70 /r ib": ["PSHUFD", pshufd],
    "F2 0F 70 /r ib": ["PSHUFLW", pshuflw],
    "F3 0F 70 /r ib": ["PSHUFHW", pshufhw],
  },
  SSE2,
);

const signBlends: readonly Row[] = family(
  {
    "66 0F 38 10 /r": ["PBLENDVB", blendBySign("i8x16")],
    "66 0F 38 14 /r": ["BLENDVPS", blendBySign("i32x4")],
    "66 0F 38 15 /r": ["BLENDVPD", blendBySign("i64x2")],
  },
  SSE41,
);

/** The mask is in a register of its own: another opcode map. */
const vexSignBlends = (opcode: string, name: string, semantics: Semantics, wide: "avx" | "avx2"): Row[] =>
  ([128, 256] as const).map((length) =>
    row(`VEX.${length}.66.0F3A.W0 ${opcode} /r ib`, name, ["Vx", "Hx", "Wx", "Lx"], semantics, {
      fpu: "avx",
      cpuid: length === 256 ? wide : "avx",
      protectedOnly: true,
    }),
  );

// In a register the extracted byte or word is zero-extended.
const extractions: readonly Row[] = [
  row("66 0F C5 /r ib", "PEXTRW", ["Gd", "Udq", "Ib"], extract("i16x8"), SSE2),
  row("66 0F 3A 14 /r ib", "PEXTRB", ["Rd", "Vdq", "Ib"], extract("i8x16"), SSE41),
  row("66 0F 3A 14 /r ib", "PEXTRB", ["Mb", "Vdq", "Ib"], extract("i8x16"), SSE41),
  row("66 0F 3A 15 /r ib", "PEXTRW", ["Rd", "Vdq", "Ib"], extract("i16x8"), SSE41),
  row("66 0F 3A 15 /r ib", "PEXTRW", ["Mw", "Vdq", "Ib"], extract("i16x8"), SSE41),
  row("66 0F 3A 16 /r ib", "PEXTRD", ["Ey", "Vdq", "Ib"], bySize(extract), SSE41),
  row("66 0F 3A 17 /r ib", "EXTRACTPS", ["Ed", "Vdq", "Ib"], extract("i32x4"), SSE41),
];

const insertions: readonly Row[] = [
  row("66 0F C4 /r ib", "PINSRW", ["Vdq", "Ew", "Ib"], insert("i16x8"), SSE2),
  row("66 0F 3A 20 /r ib", "PINSRB", ["Vdq", "Rd", "Ib"], insert("i8x16"), SSE41),
  row("66 0F 3A 20 /r ib", "PINSRB", ["Vdq", "Mb", "Ib"], insert("i8x16"), SSE41),
  row("66 0F 3A 21 /r ib", "INSERTPS", ["Vdq", "Udq", "Ib"], insertps, SSE41),
  row("66 0F 3A 21 /r ib", "INSERTPS", ["Vdq", "Md", "Ib"], insertps, SSE41),
  row("66 0F 3A 22 /r ib", "PINSRD", ["Vdq", "Ey", "Ib"], bySize(insert), SSE41),
];

export const rows: readonly Row[] = [
  ...floatShuffles,
  ...integerShuffles,
  ...permutations,
  ...signBlends,
  ...extensions("s", 0x20, "PMOVSX"),
  ...extensions("u", 0x30, "PMOVZX"),
  ...extractions,
  ...insertions,
  ...vexForms(floatShuffles, { operands: "three", wide: "avx" }),
  ...vexForms(integerShuffles, { operands: "three", wide: "avx2" }),
  ...vexForms(permutations, { operands: "same", wide: "avx2" }),
  ...vexSignBlends("4A", "VBLENDVPS", blendBySign("i32x4"), "avx"),
  ...vexSignBlends("4B", "VBLENDVPD", blendBySign("i64x2"), "avx"),
  ...vexSignBlends("4C", "VPBLENDVB", blendBySign("i8x16"), "avx2"),
  ...vexForms(extractions, { operands: "same" }),
  ...vexForms(insertions, { operands: "three" }),
];

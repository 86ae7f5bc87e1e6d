// MMX and what SSE, SSE2 and SSSE3 added to it. SDM vol. 2, the instruction of each name. Conversions between MMX and
// XMM: sse-mmx.ts.
//
// Values are i64; arithmetic is that of 128-bit vectors with the operand in the low half, or in both halves where an
// operation looks across lanes. What WebAssembly leaves in the upper half is dropped.
import type { Val } from "@tsvm/tcg";
import type { PlainOp } from "@tsvm/wasm-emit";
import type { X86Builder } from "../emit/x86-builder.ts";
import { enterMmx, storeMmx } from "./mmx-state.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import {
  absoluteDifference,
  type Compute,
  horizontal,
  maddUnsignedSigned,
  mulHigh,
  mulRoundScale,
  withSignOf,
} from "./sse-int.ts";
import { maskedStoreAddress } from "./sse-mov.ts";
import { arithmetic, logical, type Shift } from "./sse-shift.ts";
import {
  extractLane,
  fromHalves,
  insertLane,
  type Lanes,
  laneOp,
  lowHalf,
  permuteWords,
  pickLanes,
  splatConstant,
} from "./vector-lanes.ts";

const MMX: RowOptions = { fpu: "mmx", cpuid: "mmx" };
/** The instructions that came with SSE. */
const MMX_SSE: RowOptions = { fpu: "mmx", cpuid: "sse" };
const MMX_SSE2: RowOptions = { fpu: "mmx", cpuid: "sse2" };
const MMX_SSSE3: RowOptions = { fpu: "mmx", cpuid: "ssse3" };

const vector = (b: X86Builder, value: Val): Val => b.op("i64x2.splat", value);

/** DEST <- both operands, as numbers of 64 bits. */
const scalar =
  (compute: (b: X86Builder, x: Val, y: Val) => Val): Semantics =>
  (b, dst, src) => {
    const y = src!.load();
    storeMmx(b, dst!, compute(b, dst!.load(), y));
  };

/** DEST <- the low half of a vector operation on both operands. */
const packed = (compute: Compute): Semantics => scalar((b, x, y) => lowHalf(b, compute(b, vector(b, x), vector(b, y))));

const direct = (op: PlainOp): Semantics => packed((b, x, y) => b.op(op, x, y));

/** One operation on the vector of DEST (low) and SRC (high), whose low half is the result. */
const joined = (compute: (b: X86Builder, both: Val) => Val): Semantics =>
  scalar((b, x, y) => lowHalf(b, compute(b, fromHalves(b, x, y))));

/** Saturated lanes of DEST, then of SRC. */
const pack = (op: PlainOp): Semantics => joined((b, both) => b.op(op, both, both));

/** Lanes of one half, alternately from DEST and SRC. */
const unpack = (bytes: 1 | 2 | 4, half: "low" | "high"): Semantics => {
  const count = 8 / bytes;
  const first = half === "low" ? 0 : count / 2;
  const lanes = new Array(2 * count).fill(0).map((_, i) => (first + (i >> 1) + (i & 1) * count) % (2 * count));
  return joined((b, both) => pickLanes(b, bytes, lanes, both, both));
};

/** Neighbours of DEST, then of SRC, joined. */
const acrossPairs = (bytes: 2 | 4, op: PlainOp): Semantics => joined((b, both) => horizontal(bytes, op)(b, both, both));

// --- single operations ---

const mulEven = scalar((b, x, y) => b.mul(b.zext(x, 32), b.zext(y, 32)));

/** The sum of the eight absolute differences of bytes. */
const sumDifferences = packed((b, x, y) => {
  const words = b.op("i16x8.extadd_pairwise_i8x16_u", absoluteDifference(b, x, y));
  const dwords = b.op("i32x4.extadd_pairwise_i16x8_u", words);
  const sum = b.op("i64x2.add", dwords, b.op("i64x2.shr_u", dwords, b.const32(32)));
  return b.op("v128.and", sum, splatConstant(b, "i64x2", 0xffff));
});

/** Bytes of DEST by their number in SRC; 0 where bit 7 is set. */
const shuffleBytes = packed((b, x, y) =>
  b.op("i8x16.swizzle", x, b.op("v128.and", y, splatConstant(b, "i8x16", 0x87))),
);

const absolute =
  (lanes: Lanes): Semantics =>
  (b, dst, src) =>
    storeMmx(b, dst!, lowHalf(b, b.op(laneOp(lanes, "abs"), vector(b, src!.load()))));

/** DEST above SRC, shifted right by the immediate in bytes; both are gone after 16. */
const align: Semantics = (b, dst, src, immediate) => {
  const low = src!.load();
  const high = dst!.load();
  const bits = b.shl(b.and(immediate!.load(), b.const(0xff)), b.const(3));
  const upTo = (limit: number): Val => b.ltU(bits, b.const(limit));
  const beyond = b.select(upTo(128), b.shr(high, bits), b.const(0));
  const above = b.select(b.eqz(bits), b.const(0), b.shl(high, b.sub(b.const(64), bits)));
  storeMmx(b, dst!, b.select(upTo(64), b.or(b.shr(low, bits), above), beyond));
};

/** Words of SRC by the two-bit numbers in the immediate. */
const shuffleWords: Semantics = (b, dst, src, immediate) =>
  storeMmx(b, dst!, lowHalf(b, permuteWords(b, vector(b, src!.load()), immediate!.load(), 0)));

const shift =
  (compute: Shift): Semantics =>
  (b, dst, count) => {
    const amount = count!.load();
    storeMmx(b, dst!, lowHalf(b, compute(b, vector(b, dst!.load()), amount)));
  };

// --- moves ---

const toMmx: Semantics = (b, dst, src) => storeMmx(b, dst!, src!.load());

const fromMmx: Semantics = (b, dst, src) => {
  dst!.store(src!.load());
  enterMmx(b);
};

/** The register form of MOVQ to E writes an MMX register too. */
const movqToQ: Semantics = (b, dst, src) => (dst!.memory ? fromMmx : toMmx)(b, dst!, src!);

const signMask: Semantics = (b, dst, src) => {
  const signs = b.bool(b.op("i8x16.bitmask", vector(b, src!.load())));
  dst!.store(b.and(signs, b.const(0xff)));
  enterMmx(b);
};

const insertWord: Semantics = (b, dst, src, immediate) => {
  const value = src!.load();
  const lane = b.and(immediate!.load(), b.const(3));
  storeMmx(b, dst!, lowHalf(b, insertLane(b, "i16x8", vector(b, dst!.load()), lane, value)));
};

const extractWord: Semantics = (b, dst, src, immediate) => {
  const lane = b.and(immediate!.load(), b.const(3));
  dst!.store(extractLane(b, "i16x8", vector(b, src!.load()), lane));
  enterMmx(b);
};

/** Stores at DS:rDI the bytes whose mask byte has its sign set; as MASKMOVDQU in sse-mov.ts. */
const maskedStore: Semantics = (b, src, mask) => {
  enterMmx(b);
  const linear = maskedStoreAddress(b, 8);
  const signs = lowHalf(b, b.op("i8x16.shr_s", vector(b, mask!.load()), b.const32(7)));
  const old = b.guestModify(64, linear);
  const kept = b.and(old, b.not(signs));
  b.guestStore(64, linear, b.or(b.and(src!.load(), signs), kept));
};

/** All registers empty: x87 code may follow. */
const emms: Semantics = (b) => {
  enterMmx(b);
  b.setState("fpuTag", b.const(0));
};

const family = (
  map: string,
  options: RowOptions,
  table: Readonly<Record<string, readonly [string, Semantics]>>,
  source: OperandCode = "Qq",
): Row[] =>
  Object.entries(table).map(([opcode, [name, semantics]]) =>
    row(`NP ${map} ${opcode} /r`, name, ["Pq", source], semantics, options),
  );

/** `byDigit`: opcode and digit of the form with an immediate; `opcode`: of the one with a register. */
const shifts = (name: string, byDigit: string, opcode: string, compute: Shift): Row[] => [
  row(`NP 0F ${byDigit} ib`, name, ["Nq", "Ib"], shift(compute), MMX),
  row(`NP 0F ${opcode} /r`, name, ["Pq", "Qq"], shift(compute), MMX),
];

export const rows: readonly Row[] = [
  // The lower half of SRC is all that counts: only it is read from memory.
  ...family(
    "0F",
    MMX,
    {
      "60": ["PUNPCKLBW", unpack(1, "low")],
      "61": ["PUNPCKLWD", unpack(2, "low")],
      "62": ["PUNPCKLDQ", unpack(4, "low")],
    },
    "Qd",
  ),
  ...family("0F", MMX, {
    "63": ["PACKSSWB", pack("i8x16.narrow_i16x8_s")],
    "64": ["PCMPGTB", direct("i8x16.gt_s")],
    "65": ["PCMPGTW", direct("i16x8.gt_s")],
    "66": ["PCMPGTD", direct("i32x4.gt_s")],
    "67": ["PACKUSWB", pack("i8x16.narrow_i16x8_u")],
    "68": ["PUNPCKHBW", unpack(1, "high")],
    "69": ["PUNPCKHWD", unpack(2, "high")],
    "6A": ["PUNPCKHDQ", unpack(4, "high")],
    "6B": ["PACKSSDW", pack("i16x8.narrow_i32x4_s")],
    "74": ["PCMPEQB", direct("i8x16.eq")],
    "75": ["PCMPEQW", direct("i16x8.eq")],
    "76": ["PCMPEQD", direct("i32x4.eq")],
    D5: ["PMULLW", direct("i16x8.mul")],
    D8: ["PSUBUSB", direct("i8x16.sub_sat_u")],
    D9: ["PSUBUSW", direct("i16x8.sub_sat_u")],
    DB: ["PAND", scalar((b, x, y) => b.and(x, y))],
    DC: ["PADDUSB", direct("i8x16.add_sat_u")],
    DD: ["PADDUSW", direct("i16x8.add_sat_u")],
    DF: ["PANDN", scalar((b, x, y) => b.and(b.not(x), y))],
    E5: ["PMULHW", packed(mulHigh("s"))],
    E8: ["PSUBSB", direct("i8x16.sub_sat_s")],
    E9: ["PSUBSW", direct("i16x8.sub_sat_s")],
    EB: ["POR", scalar((b, x, y) => b.or(x, y))],
    EC: ["PADDSB", direct("i8x16.add_sat_s")],
    ED: ["PADDSW", direct("i16x8.add_sat_s")],
    EF: ["PXOR", scalar((b, x, y) => b.xor(x, y))],
    F5: ["PMADDWD", direct("i32x4.dot_i16x8_s")],
    F8: ["PSUBB", direct("i8x16.sub")],
    F9: ["PSUBW", direct("i16x8.sub")],
    FA: ["PSUBD", direct("i32x4.sub")],
    FC: ["PADDB", direct("i8x16.add")],
    FD: ["PADDW", direct("i16x8.add")],
    FE: ["PADDD", direct("i32x4.add")],
  }),
  ...family("0F", MMX_SSE, {
    DA: ["PMINUB", direct("i8x16.min_u")],
    DE: ["PMAXUB", direct("i8x16.max_u")],
    E0: ["PAVGB", direct("i8x16.avgr_u")],
    E3: ["PAVGW", direct("i16x8.avgr_u")],
    E4: ["PMULHUW", packed(mulHigh("u"))],
    EA: ["PMINSW", direct("i16x8.min_s")],
    EE: ["PMAXSW", direct("i16x8.max_s")],
    F6: ["PSADBW", sumDifferences],
  }),
  ...family("0F", MMX_SSE2, {
    D4: ["PADDQ", scalar((b, x, y) => b.add(x, y))],
    F4: ["PMULUDQ", mulEven],
    FB: ["PSUBQ", scalar((b, x, y) => b.sub(x, y))],
  }),
  ...family("0F 38", MMX_SSSE3, {
    "00": ["PSHUFB", shuffleBytes],
    "01": ["PHADDW", acrossPairs(2, "i16x8.add")],
    "02": ["PHADDD", acrossPairs(4, "i32x4.add")],
    "03": ["PHADDSW", acrossPairs(2, "i16x8.add_sat_s")],
    "04": ["PMADDUBSW", packed(maddUnsignedSigned)],
    "05": ["PHSUBW", acrossPairs(2, "i16x8.sub")],
    "06": ["PHSUBD", acrossPairs(4, "i32x4.sub")],
    "07": ["PHSUBSW", acrossPairs(2, "i16x8.sub_sat_s")],
    "08": ["PSIGNB", packed(withSignOf("i8x16"))],
    "09": ["PSIGNW", packed(withSignOf("i16x8"))],
    "0A": ["PSIGND", packed(withSignOf("i32x4"))],
    "0B": ["PMULHRSW", packed(mulRoundScale)],
    "1C": ["PABSB", absolute("i8x16")],
    "1D": ["PABSW", absolute("i16x8")],
    "1E": ["PABSD", absolute("i32x4")],
  }),
  ...shifts("PSRLW", "71 /2", "D1", logical("i16x8", "shr_u")),
  ...shifts("PSRLD", "72 /2", "D2", logical("i32x4", "shr_u")),
  ...shifts("PSRLQ", "73 /2", "D3", logical("i64x2", "shr_u")),
  ...shifts("PSRAW", "71 /4", "E1", arithmetic("i16x8")),
  ...shifts("PSRAD", "72 /4", "E2", arithmetic("i32x4")),
  ...shifts("PSLLW", "71 /6", "F1", logical("i16x8", "shl")),
  ...shifts("PSLLD", "72 /6", "F2", logical("i32x4", "shl")),
  ...shifts("PSLLQ", "73 /6", "F3", logical("i64x2", "shl")),
  row("NP 0F 3A 0F /r ib", "PALIGNR", ["Pq", "Qq", "Ib"], align, MMX_SSSE3),
  row("NP 0F 70 /r ib", "PSHUFW", ["Pq", "Qq", "Ib"], shuffleWords, MMX_SSE),
  row("NP 0F 6E /r", "MOVD", ["Pq", "Ey"], toMmx, MMX),
  row("NP 0F 7E /r", "MOVD", ["Ey", "Pq"], fromMmx, MMX),
  row("NP 0F 6F /r", "MOVQ", ["Pq", "Qq"], toMmx, MMX),
  row("NP 0F 7F /r", "MOVQ", ["Qq", "Pq"], movqToQ, MMX),
  row("NP 0F C4 /r ib", "PINSRW", ["Pq", "Ew", "Ib"], insertWord, MMX_SSE),
  row("NP 0F C5 /r ib", "PEXTRW", ["Gd", "Nq", "Ib"], extractWord, MMX_SSE),
  row("NP 0F D7 /r", "PMOVMSKB", ["Gd", "Nq"], signMask, MMX_SSE),
  row("NP 0F E7 /r", "MOVNTQ", ["Mq", "Pq"], fromMmx, MMX_SSE),
  row("NP 0F F7 /r", "MASKMOVQ", ["Pq", "Nq"], maskedStore, { ...MMX_SSE, asize: true }),
  row("NP 0F 77", "EMMS", [], emms, { ...MMX, no66: true }),
];

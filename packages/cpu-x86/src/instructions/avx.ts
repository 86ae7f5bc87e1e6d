// What AVX and AVX2 have beyond the VEX forms of SSE: broadcasts, 128-bit lanes, permutations, shifts by vectors, tests
// of signs, VZEROALL. SDM vol. 2C, the instruction of each name. Masked moves and gathers: avx-memory.ts.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { blendByImmediate, chooseHalves } from "./sse-shuffle.ts";
import {
  extractLane,
  fromHalves,
  highHalf,
  insertLane,
  LANE_BITS,
  type Lanes,
  lowHalf,
  permuteDwords,
  splat,
  splatConstant,
  zeroVector,
} from "./vector-lanes.ts";
import { mapLanes } from "./vector-operands.ts";

const AVX: RowOptions = { fpu: "avx", cpuid: "avx", protectedOnly: true };
const AVX2: RowOptions = { ...AVX, cpuid: "avx2" };

// --- broadcasts ---

/** The low element of SRC in every place. */
const broadcast =
  (lanes: Lanes): Semantics =>
  (b, dst, src) => {
    const value = splat(b, lanes, src!.load());
    dst!.storeLanes(dst!.lanes === 1 ? [value] : [value, value]);
  };

const broadcastLane: Semantics = (_b, dst, src) => {
  const lane = src!.load();
  dst!.storeLanes([lane, lane]);
};

/** From memory and from a register, with 128 and 256 bits. */
function broadcasts(opcode: string, name: string, size: "b" | "w" | "d" | "q", lanes: Lanes): Row[] {
  return ([128, 256] as const).map((length) =>
    row(`VEX.${length}.66.0F38.W0 ${opcode} /r`, name, ["Vx", `W${size}`], broadcast(lanes), AVX2),
  );
}

/** From memory with AVX, from a register with AVX2. */
function floatBroadcasts(length: 128 | 256, opcode: string, name: string, size: "ss" | "sd", lanes: Lanes): Row[] {
  const encoding = `VEX.${length}.66.0F38.W0 ${opcode} /r`;
  return [
    row(encoding, name, ["Vx", `M${size}`], broadcast(lanes), AVX),
    row(encoding, name, ["Vx", `U${size}`], broadcast(lanes), AVX2),
  ];
}

// --- 128-bit lanes ---

/** Lane number bit 0 of the immediate. */
const extractHalf: Semantics = (b, dst, src, immediate) => {
  const [low, high] = src!.loadLanes();
  dst!.store(b.select(b.wrap(b.and(immediate!.load(), b.const(1))), high as Val, low as Val));
};

const insertHalf: Semantics = (b, dst, first, second, immediate) => {
  const value = second!.load();
  const [low, high] = first!.loadLanes();
  const intoHigh = b.wrap(b.and(immediate!.load(), b.const(1)));
  dst!.storeLanes([b.select(intoHigh, low as Val, value), b.select(intoHigh, value, high as Val)]);
};

/** Each lane of the result is one of four, or 0: bits 1:0 and 3 of the immediate for the low one, 5:4 and 7 for the high. */
const permuteHalves: Semantics = (b, dst, first, second, immediate) => {
  const lanes = [...first!.loadLanes(), ...second!.loadLanes()];
  const choose = (control: Val): Val =>
    b.select(b.wrap(b.and(control, b.const(8))), zeroVector(b), oneOfFour(b, lanes, control));
  const imm = immediate!.load();
  dst!.storeLanes([choose(imm), choose(b.shr(imm, b.const(4)))]);
};

/** By bits 1:0 of `number`. */
function oneOfFour(b: X86Builder, values: readonly Val[], number: Val): Val {
  const bit = (mask: number): Val => b.wrap(b.and(number, b.const(mask)));
  const pair = (i: number): Val => b.select(bit(1), values[i + 1] as Val, values[i] as Val);
  return b.select(bit(2), pair(2), pair(0));
}

// --- permutations ---

/** Dwords of each lane by bits 1:0 of the dwords of SRC2. */
const permuteInLane: Semantics = (b, dst, src, control) =>
  mapLanes(dst!, [src!, control!], (x, numbers) => {
    const first = b.op("i32x4.mul", lowBits(b, numbers, 3), splatConstant(b, "i32x4", 0x0404_0404));
    return b.op("i8x16.swizzle", x, b.op("i32x4.add", first, splatConstant(b, "i32x4", 0x0302_0100)));
  });

const lowBits = (b: X86Builder, dwords: Val, mask: number): Val =>
  b.op("v128.and", dwords, splatConstant(b, "i32x4", mask));

/** Qwords of each lane by bit 1 of the qwords of SRC2. */
const permuteQwordsInLane: Semantics = (b, dst, src, control) =>
  mapLanes(dst!, [src!, control!], (x, numbers) => {
    const chosen = b.op("i64x2.shr_s", b.op("i64x2.shl", numbers, b.const32(62)), b.const32(63));
    const halves = [b.op("i64x2.splat", highHalf(b, x)), b.op("i64x2.splat", lowHalf(b, x))] as const;
    return b.op("v128.bitselect", halves[0], halves[1], chosen);
  });

const permuteByImmediate: Semantics = (b, dst, src, immediate) => {
  const imm = immediate!.load();
  mapLanes(dst!, [src!], (x) => permuteDwords(b, x, imm));
};

const permuteQwordsByImmediate: Semantics = (b, dst, src, immediate) => {
  let imm = immediate!.load();
  mapLanes(dst!, [src!], (x) => {
    const chosen = chooseHalves(b, x, x, imm);
    imm = b.shr(imm, b.const(2));
    return chosen;
  });
};

/** Dwords of all 256 bits of SRC2 by bits 2:0 of the dwords of SRC1. */
const permuteAcross: Semantics = (b, dst, control, src) => {
  const [low, high] = src!.loadLanes();
  mapLanes(dst!, [control!], (numbers) => {
    const first = b.op("i32x4.mul", lowBits(b, numbers, 7), splatConstant(b, "i32x4", 0x0404_0404));
    const bytes = b.op("i32x4.add", first, splatConstant(b, "i32x4", 0x0302_0100));
    // Numbers of the other lane are out of range for a swizzle, which gives 0 there.
    const fromHigh = b.op("i8x16.swizzle", high as Val, b.op("i8x16.sub", bytes, splatConstant(b, "i8x16", 16)));
    return b.op("v128.or", b.op("i8x16.swizzle", low as Val, bytes), fromHigh);
  });
};

/** Qwords of all 256 bits by two bits of the immediate each. */
const permuteQwordsAcross: Semantics = (b, dst, src, immediate) => {
  const qwords = src!.loadLanes().flatMap((lane) => [lowHalf(b, lane), highHalf(b, lane)]);
  const imm = immediate!.load();
  const chosen = (i: number): Val => oneOfFour(b, qwords, b.shr(imm, b.const(2 * i)));
  dst!.storeLanes([fromHalves(b, chosen(0), chosen(1)), fromHalves(b, chosen(2), chosen(3))]);
};

// --- shifts by vectors ---

type VariableShift = "shl" | "shr_u" | "shr_s";

/** Each element by the element of SRC2 at its place; counts of the width and more shift everything out. */
const shiftByElements =
  (lanes: "i32x4" | "i64x2", op: VariableShift): Semantics =>
  (b, dst, first, second) =>
    mapLanes(dst!, [first!, second!], (x, counts) => {
      let result = zeroVector(b);
      for (let i = 0; i < 128 / LANE_BITS[lanes]; i++) {
        const at = b.const(i);
        const value = extractLane(b, lanes, x, at);
        result = insertLane(b, lanes, result, at, shiftElement(b, lanes, op, value, extractLane(b, lanes, counts, at)));
      }
      return result;
    });

function shiftElement(b: X86Builder, lanes: "i32x4" | "i64x2", op: VariableShift, value: Val, count: Val): Val {
  const width = LANE_BITS[lanes];
  const inside = b.ltU(count, b.const(width));
  if (op === "shr_s") return b.sar(b.sext(value, width), b.select(inside, count, b.const(width - 1)));
  return b.select(inside, op === "shl" ? b.shl(value, count) : b.shr(value, count), b.const(0));
}

// --- tests of signs ---

/** ZF: no sign is set in both; CF: none of SRC is set where DEST's is not; the others are cleared. */
const testSigns =
  (lanes: "i32x4" | "i64x2"): Semantics =>
  (b, dst, src) => {
    const y = src!.loadLanes();
    const signs = dst!.loadLanes().map((x, i) => ({ x, y: y[i] as Val }));
    const none = (op: "v128.and" | "v128.andnot"): Val => {
      const masks = signs.map((pair) => b.op(`${lanes}.bitmask`, b.op(op, pair.y, pair.x)));
      return b.bool(b.isFalse(masks.reduce((p, q) => b.either(p, q))));
    };
    b.flags.load(b.or(none("v128.andnot"), b.shl(none("v128.and"), b.const(6))));
  };

// --- all registers ---

/** VZEROUPPER and VZEROALL; outside 64-bit mode eight registers. */
const zeroRegisters =
  (lanes: readonly number[]): Semantics =>
  (b) => {
    const zero = (first: number): void => {
      for (let i = first; i < first + 8; i++)
        for (const lane of lanes) b.setVectorRegister(128, b.const32(i * 64), zeroVector(b), lane);
    };
    zero(0);
    const code64 = b.modeIsCode64();
    b.when(code64, () => zero(8));
  };

const both = (
  encoding: (length: 128 | 256) => string,
  name: string,
  operands: readonly OperandCode[],
  semantics: Semantics,
  options: RowOptions,
): Row[] => ([128, 256] as const).map((length) => row(encoding(length), name, operands, semantics, options));

/** Three operands in map 0F 38 with a fixed W. */
const ternary = (opcode: string, w: 0 | 1, name: string, semantics: Semantics, options: RowOptions): Row[] =>
  both((length) => `VEX.${length}.66.0F38.W${w} ${opcode} /r`, name, ["Vx", "Hx", "Wx"], semantics, options);

/** Source and immediate in map 0F 3A. */
const byImmediate = (opcode: string, name: string, semantics: Semantics): Row[] =>
  both((length) => `VEX.${length}.66.0F3A.W0 ${opcode} /r ib`, name, ["Vx", "Wx", "Ib"], semantics, AVX);

const wide = (
  encoding: string,
  name: string,
  operands: readonly OperandCode[],
  semantics: (b: X86Builder, ...operands: Operand[]) => void,
  options: RowOptions,
): Row => row(`VEX.256.66.${encoding}`, name, operands, semantics, options);

export const rows: readonly Row[] = [
  ...floatBroadcasts(128, "18", "VBROADCASTSS", "ss", "i32x4"),
  ...floatBroadcasts(256, "18", "VBROADCASTSS", "ss", "i32x4"),
  ...floatBroadcasts(256, "19", "VBROADCASTSD", "sd", "i64x2"),
  wide("0F38.W0 1A /r", "VBROADCASTF128", ["Vqq", "Mdq"], broadcastLane, AVX),
  wide("0F38.W0 5A /r", "VBROADCASTI128", ["Vqq", "Mdq"], broadcastLane, AVX2),
  ...broadcasts("78", "VPBROADCASTB", "b", "i8x16"),
  ...broadcasts("79", "VPBROADCASTW", "w", "i16x8"),
  ...broadcasts("58", "VPBROADCASTD", "d", "i32x4"),
  ...broadcasts("59", "VPBROADCASTQ", "q", "i64x2"),
  wide("0F3A.W0 19 /r ib", "VEXTRACTF128", ["Wdq", "Vqq", "Ib"], extractHalf, AVX),
  wide("0F3A.W0 39 /r ib", "VEXTRACTI128", ["Wdq", "Vqq", "Ib"], extractHalf, AVX2),
  wide("0F3A.W0 18 /r ib", "VINSERTF128", ["Vqq", "Hqq", "Wdq", "Ib"], insertHalf, AVX),
  wide("0F3A.W0 38 /r ib", "VINSERTI128", ["Vqq", "Hqq", "Wdq", "Ib"], insertHalf, AVX2),
  wide("0F3A.W0 06 /r ib", "VPERM2F128", ["Vqq", "Hqq", "Wqq", "Ib"], permuteHalves, AVX),
  wide("0F3A.W0 46 /r ib", "VPERM2I128", ["Vqq", "Hqq", "Wqq", "Ib"], permuteHalves, AVX2),
  ...ternary("0C", 0, "VPERMILPS", permuteInLane, AVX),
  ...ternary("0D", 0, "VPERMILPD", permuteQwordsInLane, AVX),
  ...byImmediate("04", "VPERMILPS", permuteByImmediate),
  ...byImmediate("05", "VPERMILPD", permuteQwordsByImmediate),
  wide("0F38.W0 36 /r", "VPERMD", ["Vqq", "Hqq", "Wqq"], permuteAcross, AVX2),
  wide("0F38.W0 16 /r", "VPERMPS", ["Vqq", "Hqq", "Wqq"], permuteAcross, AVX2),
  wide("0F3A.W1 00 /r ib", "VPERMQ", ["Vqq", "Wqq", "Ib"], permuteQwordsAcross, AVX2),
  wide("0F3A.W1 01 /r ib", "VPERMPD", ["Vqq", "Wqq", "Ib"], permuteQwordsAcross, AVX2),
  ...both(
    (length) => `VEX.${length}.66.0F3A.W0 02 /r ib`,
    "VPBLENDD",
    ["Vx", "Hx", "Wx", "Ib"],
    blendByImmediate("i32x4"),
    AVX2,
  ),
  ...ternary("47", 0, "VPSLLVD", shiftByElements("i32x4", "shl"), AVX2),
  ...ternary("47", 1, "VPSLLVQ", shiftByElements("i64x2", "shl"), AVX2),
  ...ternary("45", 0, "VPSRLVD", shiftByElements("i32x4", "shr_u"), AVX2),
  ...ternary("45", 1, "VPSRLVQ", shiftByElements("i64x2", "shr_u"), AVX2),
  ...ternary("46", 0, "VPSRAVD", shiftByElements("i32x4", "shr_s"), AVX2),
  ...both((length) => `VEX.${length}.66.0F38.W0 0E /r`, "VTESTPS", ["Vx", "Wx"], testSigns("i32x4"), AVX),
  ...both((length) => `VEX.${length}.66.0F38.W0 0F /r`, "VTESTPD", ["Vx", "Wx"], testSigns("i64x2"), AVX),
  row("VEX.128.NP.0F.WIG 77", "VZEROUPPER", [], zeroRegisters([1]), AVX),
  row("VEX.256.NP.0F.WIG 77", "VZEROALL", [], zeroRegisters([0, 1]), AVX),
];

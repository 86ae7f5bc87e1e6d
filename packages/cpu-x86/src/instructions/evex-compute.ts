// What AVX-512 computes that AVX does not: steps of EVEX instructions, each a row of 256 bits (or of one scalar) that is written
// as one with VEX would be. They stand in no opcode map. SDM vol. 2C, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import type { FloatOperation } from "../sse/float-helper.ts";
import { describeNarrowing, describePermutation, type NARROWING, type PERMUTATION } from "../system/vector-permute.ts";
import { type Element, effectiveMask, laneMask, type VectorLength } from "./evex-steps.ts";
import { type FloatKind, FloatLanes, slowResult } from "./float-lanes.ts";
import { type OperandCode, type Row, row, type Semantics } from "./row.ts";
import { absoluteDifference } from "./sse-int.ts";
import {
  extractLane,
  fromLow,
  insertLane,
  LANE_BITS,
  type Lanes,
  laneOp,
  lowHalf,
  permuteDwords,
  splat,
  splatConstant,
  zeroVector,
} from "./vector-lanes.ts";
import { mapLanes, packed } from "./vector-operands.ts";

/** A step: its operands are registers, also those that are memory in the instruction. */
export const stepRow = (
  name: string,
  operands: readonly OperandCode[],
  semantics: Semantics,
  length: 128 | 256 | "LIG" = 256,
): Row => {
  const registers = operands.map((code) => code.replace("W", "U") as OperandCode);
  return row(`VEX.${length}.STEP 00`, `${name} ${registers.join()} ${length}`, registers, semantics, { fpu: "avx" });
};

// --- integers ---

const signed64 = (b: X86Builder, op: "lt_s" | "gt_s", x: Val, y: Val): Val => b.op(laneOp("i64x2", op), x, y);

/** The lesser or greater qword. */
export const qwordExtreme = (which: "min" | "max", unsigned: boolean): Semantics =>
  packed((b, x, y) => {
    const flip = (v: Val): Val => (unsigned ? b.op("v128.xor", v, splatConstant(b, "i64x2", 1n << 63n)) : v);
    const wins = signed64(b, which === "min" ? "lt_s" : "gt_s", flip(x), flip(y));
    return b.op("v128.bitselect", x, y, wins);
  });

export const qwordAbsolute: Semantics = (b, dst, src) => mapLanes(dst!, [src!], (x) => b.op("i64x2.abs", x));

/** Whether a predicate of bits 2:0 holds: equal, less, less or equal, never; then their opposites. */
export const compareIntegers =
  (lanes: Lanes, sign: "s" | "u"): Semantics =>
  (b, dst, first, second, immediate) => {
    const predicate = b.and(immediate!.load(), b.const(3));
    const negation = splat(b, "i64x2", b.sub(b.const(0), b.and(b.shr(immediate!.load(), b.const(2)), b.const(1))));
    const is = (number: number): Val => b.eq(predicate, b.const(number));
    mapLanes(dst!, [first!, second!], (x, y) => {
      const equal = b.op(laneOp(lanes, "eq"), x, y);
      const less = lessThan(b, lanes, sign, x, y);
      const either = b.op("v128.or", equal, less);
      const plain = b.select(is(0), equal, b.select(is(1), less, b.select(is(2), either, zeroVector(b))));
      return b.op("v128.xor", plain, negation);
    });
  };

function lessThan(b: X86Builder, lanes: Lanes, sign: "s" | "u", x: Val, y: Val): Val {
  if (sign === "s") return b.op(laneOp(lanes, "lt_s"), x, y);
  if (lanes !== "i64x2") return b.op(laneOp(lanes, "lt_u"), x, y);
  const flip = (v: Val): Val => b.op("v128.xor", v, splatConstant(b, "i64x2", 1n << 63n));
  return signed64(b, "lt_s", flip(x), flip(y));
}

/** Whether the elements have a bit in common, or none. */
export const testBits =
  (lanes: Lanes, none: boolean): Semantics =>
  (b, dst, first, second) =>
    mapLanes(dst!, [first!, second!], (x, y) =>
      b.op(laneOp(lanes, none ? "eq" : "ne"), b.op("v128.and", x, y), zeroVector(b)),
    );

/** Any function of three bits: the immediate is its table, by the bits of DEST, SRC1 and SRC2. */
export const ternaryLogic: Semantics = (b, dst, first, second, immediate) => {
  const imm = immediate!.load();
  const bit = (i: number): Val => splat(b, "i64x2", b.sub(b.const(0), b.and(b.shr(imm, b.const(i)), b.const(1))));
  const table = Array.from({ length: 8 }, (_, i) => bit(i));
  mapLanes(dst!, [dst!, first!, second!], (x, y, z) => {
    const byThird = (i: number): Val => b.op("v128.bitselect", table[i + 1] as Val, table[i] as Val, z);
    const bySecond = (i: number): Val => b.op("v128.bitselect", byThird(i + 2), byThird(i), y);
    return b.op("v128.bitselect", bySecond(4), bySecond(0), x);
  });
};

/** Rotates all elements by the immediate. */
export const rotateByImmediate =
  (lanes: "i32x4" | "i64x2", direction: "left" | "right"): Semantics =>
  (b, dst, src, immediate) => {
    const width = LANE_BITS[lanes];
    const count = b.and(immediate!.load(), b.const(width - 1));
    const left = direction === "left" ? count : b.sub(b.const(width), count);
    mapLanes(dst!, [src!], (x) => rotateLeft(b, lanes, x, left));
  };

/** WebAssembly takes counts modulo the width. */
const rotateLeft = (b: X86Builder, lanes: "i32x4" | "i64x2", x: Val, count: Val): Val =>
  b.op(
    "v128.or",
    b.op(`${lanes}.shl`, x, b.wrap(count)),
    b.op(`${lanes}.shr_u`, x, b.wrap(b.sub(b.const(LANE_BITS[lanes]), count))),
  );

/** Each element of the first source by that of the second. */
const byElements =
  (lanes: Exclude<Lanes, "i8x16">, compute: (b: X86Builder, value: Val, count: Val) => Val): Semantics =>
  (b, dst, first, second) =>
    mapLanes(dst!, [first!, second!], (x, counts) => {
      let result = zeroVector(b);
      for (let i = 0; i < 128 / LANE_BITS[lanes]; i++) {
        const at = b.const(i);
        const value = compute(b, extractLane(b, lanes, x, at), extractLane(b, lanes, counts, at));
        result = insertLane(b, lanes, result, at, value);
      }
      return result;
    });

export const rotateByElements = (lanes: "i32x4" | "i64x2", direction: "left" | "right"): Semantics =>
  byElements(lanes, (b, value, count) => {
    const op = direction === "left" ? "rotl" : "rotr";
    if (lanes === "i64x2") return b.op(`i64.${op}`, value, count);
    return b.bool(b.op(`i32.${op}`, b.wrap(value), b.wrap(count)));
  });

/** Counts of the width and more shift everything out; arithmetic shifts then leave the sign. */
export const shiftByElements = (lanes: "i16x8" | "i64x2", op: "shl" | "shr" | "sar"): Semantics =>
  byElements(lanes, (b, value, count) => {
    const width = LANE_BITS[lanes];
    const inside = b.ltU(count, b.const(width));
    if (op === "sar") return b.sar(b.sext(value, width), b.select(inside, count, b.const(width - 1)));
    return b.select(inside, b[op](value, count), b.const(0));
  });

/** SRA of qwords by a count that is the same for all. */
export const shiftQwords =
  (fromVector: boolean): Semantics =>
  (b, dst, src, counts) => {
    const count = fromVector ? lowHalf(b, counts!.load()) : counts!.load();
    const most = b.const(63);
    const used = b.select(b.ltU(most, count), most, count);
    mapLanes(dst!, [src!], (x) => b.op("i64x2.shr_s", x, b.wrap(used)));
  };

export const multiplyQwords: Semantics = packed((b, x, y) => b.op("i64x2.mul", x, y));

/** The low bits of a general register in every element. */
export const broadcastRegister =
  (lanes: Lanes): Semantics =>
  (b, dst, src) => {
    const value = splat(b, lanes, src!.load());
    dst!.storeLanes([value, value]);
  };

// --- masks as vectors ---

/** All ones in the elements whose bit of the mask is set. */
export const maskToVector =
  (element: Element, length: VectorLength): Semantics =>
  (b, dst, mask) => {
    const bits = mask!.load();
    setLanes(
      b,
      dst!,
      Array.from({ length: length / 128 }, (_, i) => laneMask(b, element, bits, i)),
    );
  };

/** The four sums of absolute differences of each half: dwords of the first source, and windows of the second, shuffled. */
export const sumsOfDifferences: Semantics = (b, dst, first, second, immediate) => {
  const imm = immediate!.load();
  mapLanes(dst!, [first!, second!], (x, y) => {
    const shuffled = permuteDwords(b, y, imm);
    let sum = zeroVector(b);
    for (let i = 0; i < 4; i++) {
      const from = (places: readonly number[], v: Val): Val =>
        b.shuffle(
          [...places, ...places].map((place) => place + i),
          v,
          v,
        );
      const fixed = from([0, 0, 4, 4, 8, 8, 12, 12], x);
      const window = from([0, 1, 2, 3, 8, 9, 10, 11], shuffled);
      sum = b.op("i16x8.add", sum, b.op("i16x8.extend_low_i8x16_u", absoluteDifference(b, fixed, window)));
    }
    return sum;
  });
};

// --- parts of 128 bits of whole registers ---

const wholeLane = (b: X86Builder, operand: Operand, lane: number): Val =>
  b.vectorRegister(128, operand.register(), lane);

/** One of `lanes`, as many as a power of two, by the low bits of `number`. */
function oneOf(b: X86Builder, lanes: readonly Val[], number: Val): Val {
  if (lanes.length === 1) return lanes[0] as Val;
  const half = lanes.length / 2;
  const upper = b.wrap(b.and(number, b.const(half)));
  return b.select(upper, oneOf(b, lanes.slice(half), number), oneOf(b, lanes.slice(0, half), number));
}

function setLanes(b: X86Builder, dst: Operand, lanes: readonly Val[]): void {
  for (let i = 0; i < 4; i++) b.setVectorRegister(128, dst.register(), lanes[i] ?? zeroVector(b), i);
}

/** `size` lanes of the `count` there are, which of them the immediate says. */
export const extractLanes =
  (size: 1 | 2, count: 2 | 4): Semantics =>
  (b, dst, src, immediate) => {
    const imm = immediate!.load();
    const lanes = Array.from({ length: count }, (_, i) => wholeLane(b, src!, i));
    const chosen = (i: number): Val =>
      oneOf(
        b,
        lanes.filter((_, lane) => lane % size === i),
        imm,
      );
    setLanes(b, dst!, size === 1 ? [chosen(0)] : [chosen(0), chosen(1)]);
  };

/** The first source with `size` lanes of it replaced by the second. */
export const insertLanes =
  (size: 1 | 2, count: 2 | 4): Semantics =>
  (b, dst, first, second, immediate) => {
    const place = b.and(immediate!.load(), b.const(count / size - 1));
    const fresh = Array.from({ length: size }, (_, i) => wholeLane(b, second!, i));
    const lanes = Array.from({ length: count }, (_, i) => {
      const here = b.eq(place, b.const(Math.floor(i / size)));
      return b.select(here, fresh[i % size] as Val, wholeLane(b, first!, i));
    });
    setLanes(b, dst!, lanes);
  };

/** The lower half of the result of lanes of the first source, the upper half of the second. */
export const shuffleLanes =
  (count: 2 | 4): Semantics =>
  (b, dst, first, second, immediate) => {
    const imm = immediate!.load();
    const bits = Math.log2(count);
    const sources = [first!, second!].map((source) => Array.from({ length: count }, (_, i) => wholeLane(b, source, i)));
    const lanes = Array.from({ length: count }, (_, i) =>
      oneOf(b, sources[i < count / 2 ? 0 : 1] as Val[], b.shr(imm, b.const(i * bits))),
    );
    setLanes(b, dst!, lanes);
  };

// --- helpers ---

/** A permutation; the last argument of the helper is the immediate field. */
export const permutation =
  (what: (typeof PERMUTATION)[keyof typeof PERMUTATION], element: number, count: number): Semantics =>
  (b) => {
    const { fields } = b;
    const description = b.const(describePermutation(what, element, count));
    b.helper("evexPermute", description, fields.reg(), fields.vvvv(), fields.rm(), fields.immediate());
  };

/** The same under the mask of the immediate, see maskField. */
export const maskedPermutation =
  (what: (typeof PERMUTATION)[keyof typeof PERMUTATION], element: number, count: number): Semantics =>
  (b) => {
    const { fields } = b;
    const description = b.const(describePermutation(what, element, count));
    b.helper("evexPermute", description, fields.reg(), fields.vvvv(), fields.rm(), effectiveMask(b));
  };

export const narrowing =
  (how: (typeof NARROWING)[keyof typeof NARROWING], from: number, to: number, count: number): Semantics =>
  (b, dst, src) => {
    const description = b.const(describeNarrowing(how, from, to, count));
    b.helper("evexNarrow", description, dst!.register(), src!.register());
  };

// --- floating point, always by the slow path ---

/** Of one source, the last register operand; the others' upper part is kept beside scalars. */
export const slowUnary =
  (operation: FloatOperation, kind: FloatKind, hasImmediate = false): Semantics =>
  (b, ...operands) => {
    const immediate = hasImmediate ? operands.at(-1)!.load() : undefined;
    const source = operands[hasImmediate ? operands.length - 2 : operands.length - 1] as Operand;
    slow(b, kind, operands[0] as Operand, operation, { y: bitsOf(source), immediate });
  };

/** The class of a scalar, as all ones or zeros in the low element. */
export const slowScalarClass =
  (kind: FloatKind): Semantics =>
  (b, dst, src, immediate) => {
    const f = new FloatLanes(b, kind);
    f.slow("classify", [], bitsOf(src!), { immediate: immediate!.load() });
    dst!.storeLanes(slowResult(b, 1));
  };

/** Of both sources. */
export const slowBinary =
  (operation: FloatOperation, kind: FloatKind): Semantics =>
  (b, dst, first, second, immediate) =>
    slow(b, kind, dst!, operation, { x: bitsOf(first!), y: bitsOf(second!), immediate: immediate?.load() });

/** Of the destination and both sources, with an immediate. */
export const slowTernary =
  (operation: FloatOperation, kind: FloatKind): Semantics =>
  (b, dst, first, second, immediate) => {
    const [x, y, z] = [bitsOf(dst!), bitsOf(first!), bitsOf(second!)];
    slow(b, kind, dst!, operation, { x, y, z, immediate: immediate!.load() });
  };

const bitsOf = (operand: Operand): readonly Val[] => operand.loadLanes();

interface SlowOperands {
  readonly x?: readonly Val[];
  readonly y: readonly Val[];
  readonly z?: readonly Val[];
  readonly immediate?: Val | undefined;
}

function slow(b: X86Builder, kind: FloatKind, dst: Operand, operation: FloatOperation, operands: SlowOperands): void {
  const f = new FloatLanes(b, kind);
  f.slow(operation, operands.x ?? [], operands.y, {
    ...(operands.z !== undefined && { z: operands.z }),
    ...(operands.immediate !== undefined && { immediate: operands.immediate }),
  });
  storeSlow(b, f, dst);
}

function storeSlow(b: X86Builder, f: FloatLanes, dst: Operand): void {
  const results = slowResult(b, dst.lanes);
  if (f.lanes > 1) return dst.storeLanes(results);
  const low = lowHalf(b, results[0] as Val);
  dst.store(f.double ? low : b.zext(low, 32));
}

/**
 * Conversions whose elements change their size, or integers' signs: `lanes` elements of the source, whatever part of a register
 * that is.
 */
export const slowConversion =
  (operation: FloatOperation, kind: "ps" | "pd", lanes: 2 | 4 | 8): Semantics =>
  (b, dst, src) => {
    const source = src!.width === 128 ? src!.loadLanes() : [fromLow(b, src!.load())];
    new FloatLanes(b, kind).slow(operation, [], source, { lanes });
    dst!.storeLanes(slowResult(b, dst!.lanes));
  };

/** An integer as a scalar float beside the first source's upper part; an unsigned one. */
export const slowFromInteger =
  (kind: "ss" | "sd"): Semantics =>
  (b, dst, _first, src) => {
    const f = new FloatLanes(b, kind);
    f.slow(src!.width === 64 ? "fromUint64" : "fromUint32", [], [src!.load()]);
    storeSlow(b, f, dst!);
  };

/** A scalar float as an unsigned integer. */
export const slowToInteger =
  (kind: "ss" | "sd", truncates: boolean): Semantics =>
  (b, dst, src) => {
    const f = new FloatLanes(b, kind);
    const width = dst!.width === 64 ? 64 : 32;
    f.slow(truncates ? `truncateToUint${width}` : `toUint${width}`, [], [src!.load()]);
    const low = lowHalf(b, slowResult(b, 1)[0] as Val);
    dst!.store(width === 64 ? low : b.zext(low, 32));
  };

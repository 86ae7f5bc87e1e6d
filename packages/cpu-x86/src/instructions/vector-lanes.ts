// Vector values for the SSE families: parts, constants and permutations that depend on an immediate.
//
// In the interpreter an immediate is known only when the handler runs, so permutations compute their control vector;
// when it is a constant (translator) they become a single shuffle.
import type { Val } from "@tsvm/tcg";
import type { LaneOp, PlainOp } from "@tsvm/wasm-emit";
import type { X86Builder } from "../emit/x86-builder.ts";

/** Lanes of a vector as WebAssembly names them. */
export type Lanes = "i8x16" | "i16x8" | "i32x4" | "i64x2";
/** Bits of one lane. */
export const LANE_BITS = { i8x16: 8, i16x8: 16, i32x4: 32, i64x2: 64 } as const;

/** All 128 bits clear. */
export const zeroVector = (b: X86Builder): Val => b.vector(0n, 0n);

/** A vector constant from its lanes, lane 0 first. */
export function laneConstant(b: X86Builder, lanes: Lanes, values: readonly (number | bigint)[]): Val {
  const bits = LANE_BITS[lanes];
  const whole = values.reduce<bigint>(
    (sum, value, i) => sum | (BigInt.asUintN(bits, BigInt(value)) << BigInt(i * bits)),
    0n,
  );
  return b.vector(BigInt.asUintN(64, whole), whole >> 64n);
}

/** The same constant in every lane. */
export const splatConstant = (b: X86Builder, lanes: Lanes, value: number | bigint): Val =>
  laneConstant(b, lanes, new Array(128 / LANE_BITS[lanes]).fill(value));

/** Low 64 bits, as i64. */
export const lowHalf = (b: X86Builder, vector: Val): Val => b.lane("i64x2.extract_lane", 0, vector);

/** High 64 bits, as i64. */
export const highHalf = (b: X86Builder, vector: Val): Val => b.lane("i64x2.extract_lane", 1, vector);

/** A vector of an i64 and zeros above it. */
export const fromLow = (b: X86Builder, low: Val): Val => b.lane("i64x2.replace_lane", 0, zeroVector(b), low);

/** A vector of two i64. */
export const fromHalves = (b: X86Builder, low: Val, high: Val): Val =>
  b.lane("i64x2.replace_lane", 1, b.op("i64x2.splat", low), high);

/** The low bits of an i64 in every lane. */
export const splat = (b: X86Builder, lanes: Lanes, value: Val): Val =>
  b.op(`${lanes}.splat`, lanes === "i64x2" ? value : b.wrap(value));

/** `op` on lanes of some width, for families that have every width. */
export const laneOp = (lanes: Lanes, op: string): PlainOp => `${lanes}.${op}` as PlainOp;

/** All ones in the lanes whose bit of `immediate` is set, bit i for lane i; bits above are ignored. */
export function maskOfBits(b: X86Builder, lanes: Exclude<Lanes, "i8x16">, immediate: Val): Val {
  const bits = new Array(128 / LANE_BITS[lanes]).fill(0).map((_, i) => 1 << i);
  const own = laneConstant(b, lanes, bits);
  return b.op(laneOp(lanes, "eq"), b.op("v128.and", splat(b, lanes, immediate), own), own);
}

/** The byte numbers of lanes `first`, `first` + 1... in pieces of `bytes`. */
const bytesOfLanes = (bytes: number, lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => new Array(bytes).fill(0).map((_, i) => lane * bytes + i));

/** The bytes of fixed lanes of `a` and `b` side by side: lane numbers count through both. */
export const pickLanes = (b: X86Builder, bytes: 1 | 2 | 4 | 8, lanes: readonly number[], x: Val, y: Val): Val =>
  b.shuffle(bytesOfLanes(bytes, lanes), x, y);

/**
 * Permutes dwords: lane i of the result is the lane of `vector` that bits 2i+1:2i of `immediate` name.
 * SDM vol. 2B, "PSHUFD—Shuffle Packed Doublewords".
 */
export function permuteDwords(b: X86Builder, vector: Val, immediate: Val): Val {
  if (immediate.constant !== undefined) {
    const imm = Number(BigInt.asUintN(8, BigInt(immediate.constant)));
    return pickLanes(b, 4, [imm & 3, (imm >> 2) & 3, (imm >> 4) & 3, (imm >> 6) & 3], vector, vector);
  }
  // A multiplication shifts each lane by its own count: its two bits come to lie at 7:6.
  const shifted = b.op("i32x4.mul", splat(b, "i32x4", immediate), laneConstant(b, "i32x4", [64, 16, 4, 1]));
  const lane = b.op("v128.and", b.op("i32x4.shr_u", shifted, b.const32(6)), splatConstant(b, "i32x4", 3));
  const bytes = b.op("i32x4.mul", lane, splatConstant(b, "i32x4", 0x04040404));
  return b.op("i8x16.swizzle", vector, b.op("i32x4.add", bytes, splatConstant(b, "i32x4", 0x03020100)));
}

/** Permutes the four words of one half, the other half stays. SDM vol. 2B, PSHUFLW and PSHUFHW. */
export function permuteWords(b: X86Builder, vector: Val, immediate: Val, half: 0 | 1): Val {
  const inHalf = (values: readonly number[], others: readonly number[]): Val =>
    laneConstant(b, "i16x8", half === 0 ? [...values, ...others] : [...others, ...values]);
  if (immediate.constant !== undefined) {
    const imm = Number(BigInt.asUintN(8, BigInt(immediate.constant)));
    const moved = [0, 2, 4, 6].map((shift) => half * 4 + ((imm >> shift) & 3));
    const kept = [0, 1, 2, 3].map((lane) => (1 - half) * 4 + lane);
    return pickLanes(b, 2, half === 0 ? [...moved, ...kept] : [...kept, ...moved], vector, vector);
  }
  const shifted = b.op("i16x8.mul", splat(b, "i16x8", immediate), inHalf([64, 16, 4, 1], [0, 0, 0, 0]));
  const lane = b.op("v128.and", b.op("i16x8.shr_u", shifted, b.const32(6)), splatConstant(b, "i16x8", 3));
  const bytes = b.op("i16x8.mul", lane, splatConstant(b, "i16x8", 0x0202));
  const first = 0x0100 + half * 0x0808;
  const kept = [0, 1, 2, 3].map((i) => 0x0908 - half * 0x0808 + i * 0x0202);
  return b.op("i8x16.swizzle", vector, b.op("i16x8.add", bytes, inHalf([first, first, first, first], kept)));
}

/** Byte i of the result is byte i + `distance` of `vector`, or 0 where there is none; -16 <= distance <= 32, i64. */
export function moveBytes(b: X86Builder, vector: Val, distance: Val): Val {
  const iota = laneConstant(b, "i8x16", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  return b.op("i8x16.swizzle", vector, b.op("i8x16.add", iota, splat(b, "i8x16", distance)));
}

/** `limit` where `value` is above it, unsigned. */
export const clamp = (b: X86Builder, value: Val, limit: number): Val =>
  b.select(b.ltU(b.const(limit), value), b.const(limit), value);

const EXTRACT = {
  i8x16: "i8x16.extract_lane_u",
  i16x8: "i16x8.extract_lane_u",
  i32x4: "i32x4.extract_lane",
  i64x2: "i64x2.extract_lane",
} as const satisfies Record<Lanes, LaneOp>;

/** Lane `index` (i64, taken modulo the number of lanes), zero-extended to i64. */
export function extractLane(b: X86Builder, lanes: Lanes, vector: Val, index: Val): Val {
  const bytes = LANE_BITS[lanes] / 8;
  if (index.constant !== undefined) {
    const value = b.lane(EXTRACT[lanes], Number(index.constant) & (16 / bytes - 1), vector);
    return lanes === "i64x2" ? value : b.bool(value);
  }
  const first = b.mul(b.and(index, b.const(16 / bytes - 1)), b.const(bytes));
  const lane = b.lane(EXTRACT[lanes], 0, moveBytes(b, vector, first));
  return lanes === "i64x2" ? lane : b.bool(lane);
}

/** `vector` with lane `index` (i64, taken modulo the number of lanes) replaced by the low bits of `value`. */
export function insertLane(b: X86Builder, lanes: Lanes, vector: Val, index: Val, value: Val): Val {
  const count = 128 / LANE_BITS[lanes];
  if (index.constant !== undefined) {
    const low = lanes === "i64x2" ? value : b.wrap(value);
    return b.lane(`${lanes}.replace_lane`, Number(index.constant) & (count - 1), vector, low);
  }
  const numbers = laneConstant(
    b,
    lanes,
    new Array(count).fill(0).map((_, i) => i),
  );
  const chosen = splat(b, lanes, b.and(index, b.const(count - 1)));
  return b.op("v128.bitselect", splat(b, lanes, value), vector, b.op(laneOp(lanes, "eq"), numbers, chosen));
}

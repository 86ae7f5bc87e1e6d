// PCMPISTRI and PCMPISTRM as vector code, for control bytes that are known when code is generated. SDM vol. 2B, "Imm8
// Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM". Results are bitmaps in an i32, a bit for each
// element of the second operand, the text; the first one is the set.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { AGGREGATION, EXPANDED, MASKED, MOST_SIGNIFICANT, NEGATIVE, SIGNED, WORDS } from "../sse/string-compare.ts";
import { laneConstant, laneOp, pickLanes, zeroVector } from "./vector-lanes.ts";

/** Two strings in vectors, and bitmaps of their elements before the end. */
interface Strings {
  readonly lanes: "i8x16" | "i16x8";
  readonly count: 8 | 16;
  readonly set: Val;
  readonly text: Val;
  readonly setBits: Val;
  readonly textBits: Val;
}

/** The result of a comparison. */
export interface StringResult {
  /** What goes to ECX, i64. */
  readonly index: Val;
  /** What goes to XMM0. */
  readonly mask: Val;
  /** CF ZF SF OF at their places in EFLAGS, i64. */
  readonly flags: Val;
}

/** Whether {@link compareImplicit} knows the control byte: all but signed ranges. */
export const isVectorized = (control: number): boolean =>
  (control & AGGREGATION.mask) !== AGGREGATION.ranges || (control & SIGNED) === 0;

/** Compares strings that end before their first 0. @param control one for which {@link isVectorized} holds. */
export function compareImplicit(b: X86Builder, set: Val, text: Val, control: number): StringResult {
  const lanes = (control & WORDS) !== 0 ? "i16x8" : "i8x16";
  const strings: Strings = {
    lanes,
    count: (control & WORDS) !== 0 ? 8 : 16,
    set,
    text,
    setBits: bitsBeforeEnd(b, lanes, set),
    textBits: bitsBeforeEnd(b, lanes, text),
  };
  const result = applyPolarity(b, strings, aggregate(b, strings, control), control);
  return {
    index: indexOf(b, result, strings.count, (control & MOST_SIGNIFICANT) !== 0),
    mask: (control & EXPANDED) !== 0 ? expand(b, strings.lanes, result) : fromBits(b, result),
    flags: flagsOf(b, strings, result),
  };
}

const all = ({ count }: Strings): number => (1 << count) - 1;

function bitsBeforeEnd(b: X86Builder, lanes: Strings["lanes"], vector: Val): Val {
  const zeros = b.op(laneOp(lanes, "bitmask"), b.op(laneOp(lanes, "eq"), vector, zeroVector(b)));
  const end = b.op("i32.or", zeros, b.const32(lanes === "i16x8" ? 1 << 8 : 1 << 16));
  return b.op("i32.and", b.op("i32.xor", end, b.const32(-1)), b.op("i32.sub", end, b.const32(1)));
}

/** `vector` with 0 in all elements from the first 0 on. */
function clearTail(b: X86Builder, lanes: Strings["lanes"], vector: Val): Val {
  const ones = b.vector(-1n, -1n);
  let before = b.op(laneOp(lanes, "ne"), vector, zeroVector(b));
  for (let step = lanes === "i16x8" ? 2 : 1; step < 16; step *= 2) {
    const moved = Array.from({ length: 16 }, (_, i) => (i < step ? 16 : i - step));
    before = b.op("v128.and", before, b.shuffle(moved, before, ones));
  }
  return b.op("v128.and", vector, before);
}

/** Element `index` everywhere. */
const splatElement = (b: X86Builder, { count }: Strings, vector: Val, index: number): Val =>
  pickLanes(b, count === 8 ? 2 : 1, new Array(count).fill(index), vector, vector);

/** IntRes1. */
function aggregate(b: X86Builder, strings: Strings, control: number): Val {
  switch (control & AGGREGATION.mask) {
    case AGGREGATION.equalAny:
      return inText(b, strings, equalAny(b, strings));
    case AGGREGATION.ranges:
      return inText(b, strings, ranges(b, strings));
    case AGGREGATION.equalEach:
      return equalEach(b, strings);
    default:
      return equalOrdered(b, strings);
  }
}

/** Elements of the text of which `matches` has ones. */
const inText = (b: X86Builder, { lanes, textBits }: Strings, matches: Val): Val =>
  b.op("i32.and", b.op(laneOp(lanes, "bitmask"), matches), textBits);

// An element of the text is not 0: elements of the set behind its end, once they are, equal none and bound no range.

function equalAny(b: X86Builder, strings: Strings): Val {
  const { lanes, count, text } = strings;
  const set = clearTail(b, lanes, strings.set);
  let matches = zeroVector(b);
  for (let i = 0; i < count; i++) {
    matches = b.op("v128.or", matches, b.op(laneOp(lanes, "eq"), text, splatElement(b, strings, set, i)));
  }
  return matches;
}

/** Pairs are bounds, both included, unsigned. */
function ranges(b: X86Builder, strings: Strings): Val {
  const { lanes, count, text } = strings;
  const set = clearTail(b, lanes, strings.set);
  let matches = zeroVector(b);
  for (let i = 0; i < count; i += 2) {
    const above = b.op(laneOp(lanes, "ge_u"), text, splatElement(b, strings, set, i));
    const below = b.op(laneOp(lanes, "le_u"), text, splatElement(b, strings, set, i + 1));
    matches = b.op("v128.or", matches, b.op("v128.and", above, below));
  }
  return matches;
}

/** Two ends are equal, an end and an element are not. */
function equalEach(b: X86Builder, strings: Strings): Val {
  const { lanes, set, text, setBits, textBits } = strings;
  const equal = b.op(laneOp(lanes, "bitmask"), b.op(laneOp(lanes, "eq"), set, text));
  const bothEnded = b.op("i32.xor", b.op("i32.or", setBits, textBits), b.const32(all(strings)));
  return b.op("i32.or", b.op("i32.and", equal, b.op("i32.and", setBits, textBits)), bothEnded);
}

/** The set occurs at an element of the text, as far as the vector shows. */
function equalOrdered(b: X86Builder, strings: Strings): Val {
  const { lanes, count, set, text, setBits } = strings;
  let result = b.const32(all(strings));
  for (let i = 0; i < count; i++) {
    const found = inText(b, strings, b.op(laneOp(lanes, "eq"), text, splatElement(b, strings, set, i)));
    const unseen = b.const32((all(strings) << (count - i)) & all(strings));
    const element = b.op("i32.and", b.op("i32.shr_u", setBits, b.const32(i)), b.const32(1));
    const ended = b.op("i32.sub", element, b.const32(1));
    const here = b.op("i32.or", b.op("i32.shr_u", found, b.const32(i)), b.op("i32.or", unseen, ended));
    result = b.op("i32.and", result, here);
  }
  return result;
}

/** IntRes2. */
function applyPolarity(b: X86Builder, strings: Strings, result: Val, control: number): Val {
  if ((control & NEGATIVE) === 0) return result;
  return b.op("i32.xor", result, (control & MASKED) !== 0 ? strings.textBits : b.const32(all(strings)));
}

function indexOf(b: X86Builder, result: Val, count: number, mostSignificant: boolean): Val {
  if (!mostSignificant) return b.bool(b.op("i32.ctz", b.op("i32.or", result, b.const32(1 << count))));
  const last = b.op("i32.sub", b.const32(31), b.op("i32.clz", result));
  return b.select(b.isFalse(result), b.const(count), b.bool(last));
}

const fromBits = (b: X86Builder, result: Val): Val => b.lane("i32x4.replace_lane", 0, zeroVector(b), result);

/** As many bytes or words of ones. */
function expand(b: X86Builder, lanes: Strings["lanes"], result: Val): Val {
  const own = [1, 2, 4, 8, 16, 32, 64, 128];
  const everywhere = b.op("i16x8.splat", result);
  if (lanes === "i16x8") {
    const bits = laneConstant(b, lanes, own);
    return b.op("i16x8.eq", b.op("v128.and", everywhere, bits), bits);
  }
  const bits = laneConstant(b, lanes, [...own, ...own]);
  const bytes = b.shuffle([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], everywhere, everywhere);
  return b.op("i8x16.eq", b.op("v128.and", bytes, bits), bits);
}

function flagsOf(b: X86Builder, strings: Strings, result: Val): Val {
  const at = (condition: Val, position: number): Val => b.shl(b.bool(condition), b.const(position));
  const ends = (bits: Val): Val => b.op("i32.ne", bits, b.const32(all(strings)));
  const found = b.bool(b.op("i32.ne", result, b.const32(0)));
  const zero = at(ends(strings.textBits), 6);
  const sign = at(ends(strings.setBits), 7);
  const overflow = at(b.op("i32.and", result, b.const32(1)), 11);
  return b.or(b.or(found, zero), b.or(sign, overflow));
}

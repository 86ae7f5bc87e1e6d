import type { LoadOp, PlainOp, ValueType } from "@tsvm/wasm-emit";
import { canonical, isInt32 } from "./constant.ts";
import { accessOf, type Constant, resultType, type Val } from "./types.ts";

type Fold = (a: bigint, b: bigint, bits: number) => bigint | boolean;
/** On plain numbers; NaN: the result might not be exact, so it has to be computed with bigints. */
type FastFold = (a: number, b: number) => number;
/** Bits that the result may have; undefined: any. */
type BitRule = (x: Val, y: Val | undefined) => number | undefined;

const unsigned = (bits: number, value: bigint): bigint => BigInt.asUintN(bits, value);
const count = (bits: number, value: bigint): bigint => unsigned(bits, value) % BigInt(bits);

/** Operations on two integer constants; operands are sign-extended, shift counts are taken modulo the width. */
const FOLDS: Readonly<Record<string, Fold>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, n) => a << count(n, b),
  shr_u: (a, b, n) => unsigned(n, a) >> count(n, b),
  shr_s: (a, b, n) => a >> count(n, b),
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt_s: (a, b) => a < b,
  lt_u: (a, b, n) => unsigned(n, a) < unsigned(n, b),
  ge_u: (a, b, n) => unsigned(n, a) >= unsigned(n, b),
  gt_u: (a, b, n) => unsigned(n, a) > unsigned(n, b),
  eqz: (a) => a === 0n,
  wrap_i64: (a) => a,
  extend_i32_s: (a) => a,
  extend_i32_u: (a) => BigInt.asUintN(32, a),
  extend8_s: (a) => BigInt.asIntN(8, a),
  extend16_s: (a) => BigInt.asIntN(16, a),
  extend32_s: (a) => BigInt.asIntN(32, a),
};

/** The same where plain numbers do; bitwise ones on sign-extended 32 bits only. */
const FAST_FOLDS: Readonly<Record<string, FastFold>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  and: (a, b) => (isInt32(a) && isInt32(b) ? a & b : Number.NaN),
  or: (a, b) => (isInt32(a) && isInt32(b) ? a | b : Number.NaN),
  xor: (a, b) => (isInt32(a) && isInt32(b) ? a ^ b : Number.NaN),
  shl: (a, b) => (b >= 0 && b < 32 ? a * 2 ** b : Number.NaN),
  shr_u: (a, b) => (a >= 0 && b >= 0 && b < 32 ? Math.floor(a / 2 ** b) : Number.NaN),
  shr_s: (a, b) => (b >= 0 && b < 32 ? Math.floor(a / 2 ** b) : Number.NaN),
  eq: (a, b) => (a === b ? 1 : 0),
  ne: (a, b) => (a !== b ? 1 : 0),
  lt_s: (a, b) => (a < b ? 1 : 0),
  eqz: (a) => (a === 0 ? 1 : 0),
  wrap_i64: (a) => a,
  extend_i32_s: (a) => a,
  extend_i32_u: (a) => a >>> 0,
};

/** Operand constants that make an operation the identity on its left operand. */
const RIGHT_IDENTITY: Readonly<Record<string, number>> = {
  add: 0,
  sub: 0,
  or: 0,
  xor: 0,
  shl: 0,
  shr_u: 0,
  shr_s: 0,
  and: -1,
  mul: 1,
};

/** Of a pair of operations, the second gives back what the first was given. */
const UNDOES: Readonly<Record<string, string>> = {
  "i32.wrap_i64": "i64.extend_i32_u",
  "i64.reinterpret_f64": "f64.reinterpret_i64",
  "f64.reinterpret_i64": "i64.reinterpret_f64",
  "i32.reinterpret_f32": "f32.reinterpret_i32",
  "f32.reinterpret_i32": "i32.reinterpret_f32",
};

const larger: BitRule = (x, y) =>
  x.bits === undefined || y?.bits === undefined ? undefined : Math.max(x.bits, y.bits);
const BIT_RULES: Readonly<Record<string, BitRule>> = {
  "i64.and": (x, y) => (x.bits === undefined ? y?.bits : y?.bits === undefined ? x.bits : Math.min(x.bits, y.bits)),
  "i64.or": larger,
  "i64.xor": larger,
  "i64.extend_i32_u": (x) => x.bits ?? 32,
  "i64.shr_u": (x, y) => (typeof y?.constant === "number" ? Math.max(0, (x.bits ?? 64) - (y.constant & 63)) : x.bits),
  "i64.eq": () => 1,
  "i64.ne": () => 1,
  "i64.eqz": () => 1,
  "i64.lt_u": () => 1,
  "i64.lt_s": () => 1,
  "i32.eqz": () => 1,
  "i32.eq": () => 1,
  "i32.ne": () => 1,
};

/** What building has to know of an operation, found once. */
export interface OpFacts {
  readonly op: PlainOp;
  readonly type: ValueType;
  /** A number of its own, below 1024. */
  readonly number: number;
  readonly fold: Fold | undefined;
  readonly fastFold: FastFold | undefined;
  readonly bits: BitRule | undefined;
  /** The right operand that makes it the identity on the left one. */
  readonly identity: number | undefined;
  /** The operation that it takes back. */
  readonly undoes: string | undefined;
  /** Bits of its operands. */
  readonly operandBits: number;
}

const facts = new Map<PlainOp, OpFacts>();

/** Looks an operation up. */
export function factsOf(op: PlainOp): OpFacts {
  return facts.get(op) ?? makeFacts(op);
}

function makeFacts(op: PlainOp): OpFacts {
  const isInteger = /^i(32|64)\./.test(op);
  const name = op.slice(4);
  const operand =
    name.endsWith("_i32_s") || name.endsWith("_i32_u") ? "i32" : name === "wrap_i64" ? "i64" : op.slice(0, 3);
  const made: OpFacts = {
    op,
    type: resultType(op),
    number: facts.size,
    fold: isInteger ? FOLDS[name] : undefined,
    fastFold: isInteger ? FAST_FOLDS[name] : undefined,
    bits: BIT_RULES[op],
    identity: isInteger ? RIGHT_IDENTITY[name] : undefined,
    undoes: UNDOES[op],
    operandBits: operand === "i32" ? 32 : 64,
  };
  facts.set(op, made);
  return made;
}

/** Value of an integer operation on constants, or undefined if it has to be computed when the code runs. */
export function foldConstant(facts: OpFacts, x: Val, y: Val | undefined): Constant | undefined {
  const a = x.constant;
  if (a === undefined || facts.fold === undefined) return undefined;
  const b = y === undefined ? 0 : y.constant;
  if (b === undefined) return undefined;
  if (facts.fastFold !== undefined && typeof a === "number" && typeof b === "number") {
    const fast = facts.fastFold(a, b);
    if (facts.type === "i32" ? isInt32(fast) : Number.isSafeInteger(fast)) return fast;
  }
  return foldWide(facts, BigInt(a), BigInt(b));
}

function foldWide({ fold, operandBits, type }: OpFacts, a: bigint, b: bigint): Constant {
  const value = (fold as Fold)(a, b, operandBits);
  if (typeof value === "boolean") return value ? 1 : 0;
  return type === "i32" ? Number(BigInt.asIntN(32, value)) : canonical(value);
}

/** Bits that a loaded integer may have; undefined: any. */
export function loadedBits(op: LoadOp): number | undefined {
  const { signed, bytes, type } = accessOf(op);
  if (signed || (type !== "i64" && type !== "i32")) return undefined;
  return bytes >= (type === "i32" ? 4 : 8) ? undefined : bytes * 8;
}

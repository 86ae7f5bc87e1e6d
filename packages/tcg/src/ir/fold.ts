import type { LoadOp, PlainOp, ValueType } from "@tsvm/wasm-emit";
import { resultType, type Val } from "./types.ts";

type Fold = (a: bigint, b: bigint, bits: bigint) => bigint | boolean;
const unsigned = (bits: bigint, value: bigint): bigint => BigInt.asUintN(Number(bits), value);

/** Operations on two integer constants; operands are sign-extended, shift counts are taken modulo the width. */
const FOLDS: Readonly<Record<string, Fold>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, n) => a << (unsigned(n, b) % n),
  shr_u: (a, b, n) => unsigned(n, a) >> (unsigned(n, b) % n),
  shr_s: (a, b, n) => a >> (unsigned(n, b) % n),
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

/** Operand constants that make an operation the identity on its left operand. */
const RIGHT_IDENTITY: Readonly<Record<string, bigint>> = {
  add: 0n,
  sub: 0n,
  or: 0n,
  xor: 0n,
  shl: 0n,
  shr_u: 0n,
  shr_s: 0n,
  and: -1n,
  mul: 1n,
};

/** What building has to know of an operation, found once. */
export interface OpFacts {
  readonly type: ValueType;
  /** A number of its own, below 1024. */
  readonly number: number;
  readonly fold: Fold | undefined;
  /** The right operand that makes it the identity on the left one. */
  readonly identity: bigint | undefined;
  /** Bits of its operands. */
  readonly operandBits: bigint;
}

const facts = new Map<PlainOp, OpFacts>();

/** Looks an operation up. */
export function factsOf(op: PlainOp): OpFacts {
  const known = facts.get(op);
  if (known !== undefined) return known;
  const isInteger = /^i(32|64)\./.test(op);
  const name = op.slice(4);
  const operand =
    name.endsWith("_i32_s") || name.endsWith("_i32_u") ? "i32" : name === "wrap_i64" ? "i64" : op.slice(0, 3);
  const made: OpFacts = {
    type: resultType(op),
    number: facts.size,
    fold: isInteger ? FOLDS[name] : undefined,
    identity: isInteger ? RIGHT_IDENTITY[name] : undefined,
    operandBits: operand === "i32" ? 32n : 64n,
  };
  facts.set(op, made);
  return made;
}

/** Value of an integer operation on constants, or undefined if it has to be computed when the code runs. */
export function foldConstant({ fold, operandBits, type }: OpFacts, args: readonly Val[]): bigint | undefined {
  if (fold === undefined) return undefined;
  const [a, b] = [args[0]?.constant, args[1]?.constant];
  if (a === undefined || (args.length > 1 && b === undefined)) return undefined;
  const value = fold(a, b ?? 0n, operandBits);
  if (typeof value === "boolean") return value ? 1n : 0n;
  return BigInt.asIntN(type === "i32" ? 32 : 64, value);
}

/** The left operand, if the right one changes nothing. */
export function foldIdentity({ identity }: OpFacts, args: readonly Val[]): Val | undefined {
  return identity !== undefined && args[1]?.constant === identity ? args[0] : undefined;
}

/** Bits that an operation's integer result may have; undefined: any. */
export function knownBits(op: PlainOp, args: readonly Val[]): number | undefined {
  const x = args[0]?.bits;
  const y = args[1]?.bits;
  switch (op) {
    case "i64.and":
      return x === undefined ? y : y === undefined ? x : Math.min(x, y);
    case "i64.or":
    case "i64.xor":
      return x === undefined || y === undefined ? undefined : Math.max(x, y);
    case "i64.extend_i32_u":
      return x ?? 32;
    case "i64.shr_u":
      return args[1]?.constant === undefined ? x : Math.max(0, (x ?? 64) - Number(args[1].constant & 63n));
    case "i64.eq":
    case "i64.ne":
    case "i64.eqz":
    case "i64.lt_u":
    case "i64.lt_s":
    case "i32.eqz":
    case "i32.eq":
    case "i32.ne":
      return 1;
    default:
      return undefined;
  }
}

/** Bits that a loaded integer may have; undefined: any. */
export function loadedBits(op: LoadOp): number | undefined {
  if (op.endsWith("load32_u")) return 32;
  if (op.endsWith("load16_u")) return 16;
  return op.endsWith("load8_u") ? 8 : undefined;
}

/** Bits of a constant that is not negative. */
export function bitLength(value: bigint): number {
  const high = Number(value >> 32n);
  return high === 0 ? 32 - Math.clz32(Number(value)) : 64 - Math.clz32(high);
}

import type { PlainOp, ValueType } from "@tsvm/wasm-emit";
import type { Val } from "./types.ts";

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

/** Value of an integer operation on constants, or undefined if it has to be computed when the code runs. */
export function foldConstant(op: PlainOp, args: readonly Val[], result: ValueType): bigint | undefined {
  const [a, b] = [args[0]?.constant, args[1]?.constant];
  if (a === undefined || (args.length > 1 && b === undefined)) return undefined;
  const fold = FOLDS[op.slice(4)];
  if (fold === undefined || !/^i(32|64)\./.test(op)) return undefined;
  const bits = args[0]?.type === "i32" ? 32n : 64n;
  const value = fold(a, b ?? 0n, bits);
  if (typeof value === "boolean") return value ? 1n : 0n;
  return BigInt.asIntN(result === "i32" ? 32 : 64, value);
}

/** The left operand, if the right one changes nothing. */
export function foldIdentity(op: PlainOp, args: readonly Val[]): Val | undefined {
  if (args.length !== 2 || !/^i(32|64)\./.test(op)) return undefined;
  const identity = RIGHT_IDENTITY[op.slice(4)];
  return identity !== undefined && args[1]?.constant === identity ? args[0] : undefined;
}

// Comparison, minimum and maximum. SDM vol. 2, CMPPS, COMISS, UCOMISS, MINPS, MAXPS.
import type { BinaryOperation } from "./float-arithmetic.ts";
import {
  type FloatContext,
  type FloatFormat,
  isNan,
  MXCSR,
  noteDenormals,
  type Unpacked,
  unpack,
} from "./float-format.ts";

/** How two numbers lie to each other. */
export type Relation = "less" | "equal" | "greater" | "unordered";

/**
 * Compares two numbers as bits; zeros are equal.
 * @param signalsQuiet quiet NaNs are invalid too.
 */
export function compare(
  context: FloatContext,
  format: FloatFormat,
  x: bigint,
  y: bigint,
  signalsQuiet: boolean,
): Relation {
  const a = unpack(context, format, x);
  const c = unpack(context, format, y);
  if (isNan(a) || isNan(c)) {
    const signals = signalsQuiet || a.kind === "signaling" || c.kind === "signaling";
    if (signals) context.exceptions |= MXCSR.IE;
    return "unordered";
  }
  noteDenormals(context, a, c);
  return relate(orderOf(format, a), orderOf(format, c));
}

/** A number that orders as the float does: its magnitude with its sign. */
function orderOf({ sign }: FloatFormat, x: Unpacked): bigint {
  return x.negative ? -(x.bits & ~sign) : x.bits;
}

function relate(x: bigint, y: bigint): Relation {
  if (x === y) return "equal";
  return x < y ? "less" : "greater";
}

/** The predicates of CMPPS and VCMPPS by bits 3:0 of their number: which relations make them true. */
const TRUE_FOR: readonly (readonly Relation[])[] = [
  ["equal"],
  ["less"],
  ["less", "equal"],
  ["unordered"],
  ["less", "greater", "unordered"],
  ["equal", "greater", "unordered"],
  ["greater", "unordered"],
  ["less", "equal", "greater"],
  ["equal", "unordered"],
  ["less", "unordered"],
  ["less", "equal", "unordered"],
  [],
  ["less", "greater"],
  ["equal", "greater"],
  ["greater"],
  ["less", "equal", "greater", "unordered"],
];

/**
 * All ones if the predicate (0..31) holds, else 0. LT, LE, GE, GT and their negations find quiet NaNs invalid; bit 4 turns
 * that round. SDM vol. 2A, CMPPD, "Comparison Predicate for CMPPD and CMPPS Instructions".
 */
export function comparePredicate(
  context: FloatContext,
  format: FloatFormat,
  x: bigint,
  y: bigint,
  predicate: number,
): bigint {
  const orders = (predicate & 3) === 1 || (predicate & 3) === 2;
  const signalsQuiet = orders !== ((predicate & 16) !== 0);
  const relation = compare(context, format, x, y, signalsQuiet);
  const holds = (TRUE_FOR[predicate & 15] as readonly Relation[]).includes(relation);
  return holds ? (1n << BigInt(format.bits)) - 1n : 0n;
}

/** x if it is less, else y: with a NaN (not made quiet) and for two zeros the second operand. */
export const minimum: BinaryOperation = (context, format, x, y) => choose(context, format, x, y, "less");

/** x if it is greater, else y. */
export const maximum: BinaryOperation = (context, format, x, y) => choose(context, format, x, y, "greater");

function choose(context: FloatContext, format: FloatFormat, x: bigint, y: bigint, wanted: Relation): bigint {
  const relation = compare(context, format, x, y, true);
  return unpack(context, format, relation === wanted ? x : y).bits;
}

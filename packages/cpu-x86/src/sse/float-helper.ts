// The slow path of SSE floating point: one helper for all operations, lane by lane, with MXCSR and #XM.
//
// Generated code puts operands and takes the result at fixed places of `helperArgs`; see FLOAT_SLOT.
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { add, divide, multiply, multiplyAdd, squareRoot, subtract } from "./float-arithmetic.ts";
import { classify, range, reduce } from "./float-classes.ts";
import { compare, comparePredicate, maximum, minimum, type Relation } from "./float-compare.ts";
import { convertFormat, convertHalf, convertToHalf, fromInteger, roundToIntegral, toInteger } from "./float-convert.ts";
import {
  contextOf,
  DOUBLE,
  type FloatContext,
  type FloatFormat,
  MASK_SHIFT,
  MXCSR,
  ROUND,
  type Rounding,
  SINGLE,
} from "./float-format.ts";
import {
  fixUp,
  getExponent,
  getMantissa,
  reciprocal,
  reciprocalRoot,
  roundScale,
  scale,
  toUnsigned,
} from "./float-parts.ts";

/** Byte offsets in `helperArgs` behind its plain arguments: operands and result, 32 bytes each. */
export const FLOAT_SLOT = { x: 32, y: 64, z: 96, result: 128 } as const;
/** Bytes of one of them. */
const SLOT_BYTES = 32;

/** One lane: operands and result as bits; what an operation does not need it ignores. */
type LaneFunction = (
  context: FloatContext,
  format: FloatFormat,
  x: bigint,
  y: bigint,
  immediate: number,
  lane: number,
  z: bigint,
) => bigint;

/** What the elements of a vector are: the operation's format, the other one, or integers. */
type Element = "own" | "other" | "half" | "int32" | "int64";

interface Operation {
  readonly name: string;
  readonly source: Element;
  readonly result: Element;
  readonly run: LaneFunction;
}

const operation = (name: string, run: LaneFunction, source: Element = "own", result: Element = "own"): Operation => ({
  name,
  source,
  result,
  run,
});

/** Flags of UCOMISD: ZF PF CF at their places. SDM vol. 2B, UCOMISD. */
const RELATION_FLAGS: Readonly<Record<Relation, bigint>> = {
  greater: 0x00n,
  less: 0x01n,
  equal: 0x40n,
  unordered: 0x45n,
};

const integer =
  (width: 32 | 64, truncates: boolean): LaneFunction =>
  (c, f, _x, y) =>
    toInteger(c, f, y, width, truncates ? ROUND.zero : c.rounding);

const unsigned =
  (width: 32 | 64, truncates: boolean): LaneFunction =>
  (c, f, _x, y) =>
    toUnsigned(c, f, y, width, truncates ? ROUND.zero : c.rounding);

/** x * y + z; the addend is negated in lanes whose number has the parity of an entry. */
const fused =
  (product: boolean, evenAddend: boolean, oddAddend: boolean): LaneFunction =>
  (c, f, x, y, _imm, lane, z) =>
    multiplyAdd(c, f, x, y, z, { product, addend: (lane & 1) === 0 ? evenAddend : oddAddend });

/** Bits of the immediate of ROUNDPD. SDM vol. 2B, "ROUNDPD", table of rounding modes. */
const IMM_USES_MXCSR = 4;
const IMM_NO_PRECISION = 8;

/** All operations; unary ones take y. An operation's number is its position. */
const OPERATIONS = [
  operation("add", add),
  operation("sub", subtract),
  operation("mul", multiply),
  operation("div", divide),
  operation("sqrt", (c, f, _x, y) => squareRoot(c, f, y)),
  operation("min", minimum),
  operation("max", maximum),
  operation("cmp", comparePredicate),
  operation("addsub", (c, f, x, y, _imm, lane) => ((lane & 1) === 0 ? subtract : add)(c, f, x, y)),
  operation("comi", (c, f, x, y) => RELATION_FLAGS[compare(c, f, x, y, true)], "own", "int64"),
  operation("ucomi", (c, f, x, y) => RELATION_FLAGS[compare(c, f, x, y, false)], "own", "int64"),
  operation("round", (c, f, _x, y, imm) =>
    roundToIntegral(
      c,
      f,
      y,
      (imm & IMM_USES_MXCSR) !== 0 ? c.rounding : ((imm & 3) as Rounding),
      (imm & IMM_NO_PRECISION) !== 0,
    ),
  ),
  operation("convert", (c, f, _x, y) => convertFormat(c, f, f === SINGLE ? DOUBLE : SINGLE, y), "own", "other"),
  operation("fromInt32", (c, f, _x, y) => fromInteger(c, f, BigInt.asIntN(32, y)), "int32"),
  operation("fromInt64", (c, f, _x, y) => fromInteger(c, f, BigInt.asIntN(64, y)), "int64"),
  operation("toInt32", integer(32, false), "own", "int32"),
  operation("toInt64", integer(64, false), "own", "int64"),
  operation("truncateToInt32", integer(32, true), "own", "int32"),
  operation("truncateToInt64", integer(64, true), "own", "int64"),
  operation("fmadd", fused(false, false, false)),
  operation("fmsub", fused(false, true, true)),
  operation("fnmadd", fused(true, false, false)),
  operation("fnmsub", fused(true, true, true)),
  operation("fmaddsub", fused(false, true, false)),
  operation("fmsubadd", fused(false, false, true)),
  operation("fromHalf", (c, _f, _x, y) => convertHalf(c, y), "half"),
  operation(
    "toHalf",
    (c, _f, _x, y, imm) => convertToHalf(c, y, (imm & IMM_USES_MXCSR) !== 0 ? c.rounding : ((imm & 3) as Rounding)),
    "own",
    "half",
  ),
  operation("getExponent", (c, f, _x, y) => getExponent(c, f, y)),
  operation("getMantissa", (c, f, _x, y, imm) => getMantissa(c, f, y, imm)),
  operation("scale", scale),
  operation("roundScale", (c, f, _x, y, imm) => roundScale(c, f, y, imm)),
  operation("fixUp", (c, f, x, y, imm, _lane, z) => fixUp(c, f, x, y, imm, z)),
  operation("reciprocal", (c, f, _x, y) => reciprocal(c, f, y)),
  operation("reciprocalRoot", (c, f, _x, y) => reciprocalRoot(c, f, y)),
  operation("fromUint32", (c, f, _x, y) => fromInteger(c, f, y), "int32"),
  operation("fromUint64", (c, f, _x, y) => fromInteger(c, f, y), "int64"),
  operation("toUint32", unsigned(32, false), "own", "int32"),
  operation("toUint64", unsigned(64, false), "own", "int64"),
  operation("truncateToUint32", unsigned(32, true), "own", "int32"),
  operation("truncateToUint64", unsigned(64, true), "own", "int64"),
  operation("range", range),
  operation("reduce", (c, f, _x, y, imm) => reduce(c, f, y, imm)),
  operation("classify", (c, f, _x, y, imm) => classify(c, f, y, imm)),
] as const;

/** Name of an operation of the slow path. */
export type FloatOperation =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "sqrt"
  | "min"
  | "max"
  | "cmp"
  | "addsub"
  | "comi"
  | "ucomi"
  | "round"
  | "convert"
  | "fromInt32"
  | "fromInt64"
  | "toInt32"
  | "toInt64"
  | "truncateToInt32"
  | "truncateToInt64"
  | "fmadd"
  | "fmsub"
  | "fnmadd"
  | "fnmsub"
  | "fmaddsub"
  | "fmsubadd"
  | "fromHalf"
  | "toHalf"
  | "getExponent"
  | "getMantissa"
  | "scale"
  | "roundScale"
  | "fixUp"
  | "reciprocal"
  | "reciprocalRoot"
  | "fromUint32"
  | "fromUint64"
  | "toUint32"
  | "toUint64"
  | "truncateToUint32"
  | "truncateToUint64"
  | "range"
  | "reduce"
  | "classify";

/** First argument of the helper: which operation, on which format, on how many lanes. */
export function describeFloat(name: FloatOperation, double: boolean, lanes: 1 | 2 | 4 | 8): number {
  return OPERATIONS.findIndex((candidate) => candidate.name === name) | (double ? 1 << 8 : 0) | (lanes << 16);
}

/** Arguments: {@link describeFloat}, immediate. The result is 0 in lanes the operation has not. */
export function sseFloat(cpu: Cpu): HelperResult {
  const description = cpu.arg32(0);
  const immediate = cpu.arg32(1);
  const { source, result, run } = OPERATIONS[description & 0xff] as Operation;
  const format = (description & (1 << 8)) !== 0 ? DOUBLE : SINGLE;
  const lanes = description >> 16;
  const context = contextOf(cpu.get32(AT.mxcsr));
  const at = AT.helperArgs;
  const [from, to] = [elementBytes(source, format), elementBytes(result, format)];
  const results: bigint[] = [];
  const control = cpu.get32(AT.evexControl);
  for (let lane = 0; lane < lanes; lane++) {
    if (control !== 0 && ((control >> lane) & 1) === 0) {
      results.push(0n);
      continue;
    }
    const x = readElement(cpu, at + FLOAT_SLOT.x + lane * from, from);
    const y = readElement(cpu, at + FLOAT_SLOT.y + lane * from, from);
    const z = readElement(cpu, at + FLOAT_SLOT.z + lane * from, from);
    results.push(run(context, format, x, y, immediate, lane, z));
  }
  cpu.u8.fill(0, at + FLOAT_SLOT.result, at + FLOAT_SLOT.result + SLOT_BYTES);
  for (const [lane, bits] of results.entries()) writeElement(cpu, at + FLOAT_SLOT.result + lane * to, to, bits);
  if (control === 0) return noteExceptions(cpu, context.exceptions);
  cpu.set32(AT.evexExceptions, cpu.get32(AT.evexExceptions) | context.exceptions);
  return HELPER.next;
}

/** All parts of an EVEX instruction are done: their exceptions are noted, or raised. */
export function endFloat(cpu: Cpu): HelperResult {
  const exceptions = cpu.get32(AT.evexExceptions);
  cpu.set32(AT.evexControl, 0);
  cpu.set32(AT.evexExceptions, 0);
  return noteExceptions(cpu, exceptions);
}

/**
 * DPPS and DPPD. Arguments: 1 for double, immediate (products of its high bits, summed, into the lanes of its low ones), and
 * how many 128-bit lanes. An unmasked exception of the products ends it before they are added, and so on.
 */
export function sseDotProduct(cpu: Cpu): HelperResult {
  const format = cpu.arg32(0) !== 0 ? DOUBLE : SINGLE;
  const immediate = cpu.arg32(1);
  const lanes = new Array(cpu.arg32(2)).fill(0).map((_, i) => AT.helperArgs + i * 16);
  let terms = lanes.map((): readonly bigint[] => new Array(128 / format.bits).fill(0n));
  const stage = (
    compute: (context: FloatContext, terms: readonly bigint[], at: number) => readonly bigint[],
  ): boolean => {
    const context = contextOf(cpu.get32(AT.mxcsr));
    terms = terms.map((values, i) => compute(context, values, lanes[i] as number));
    return noteExceptions(cpu, context.exceptions) === HELPER.next;
  };
  if (!stage((context, places, at) => products(cpu, context, format, immediate, places.length, at)))
    return HELPER.fault;
  while ((terms[0] as readonly bigint[]).length > 1) {
    if (!stage((context, values) => sumsOfPairs(context, format, values))) return HELPER.fault;
  }
  for (const [i, at] of lanes.entries())
    spread(cpu, format, immediate, (terms[i] as readonly bigint[])[0] as bigint, at);
  return HELPER.next;
}

function products(
  cpu: Cpu,
  context: FloatContext,
  format: FloatFormat,
  immediate: number,
  count: number,
  at: number,
): readonly bigint[] {
  const bytes = format.bits / 8;
  return new Array(count).fill(0).map((_, i) => {
    if ((immediate & (16 << i)) === 0) return 0n;
    const x = readElement(cpu, at + FLOAT_SLOT.x + i * bytes, bytes);
    return multiply(context, format, x, readElement(cpu, at + FLOAT_SLOT.y + i * bytes, bytes));
  });
}

const sumsOfPairs = (context: FloatContext, format: FloatFormat, values: readonly bigint[]): readonly bigint[] =>
  values.flatMap((x, i) => ((i & 1) === 0 ? [add(context, format, x, values[i + 1] as bigint)] : []));

function spread(cpu: Cpu, format: FloatFormat, immediate: number, sum: bigint, at: number): void {
  const bytes = format.bits / 8;
  for (let i = 0; i < 16 / bytes; i++) {
    writeElement(cpu, at + FLOAT_SLOT.result + i * bytes, bytes, (immediate & (1 << i)) !== 0 ? sum : 0n);
  }
}

function elementBytes(element: Element, format: FloatFormat): 2 | 4 | 8 {
  if (element === "half") return 2;
  if (element === "int32") return 4;
  if (element === "int64") return 8;
  return (format.bits === 64) === (element === "own") ? 8 : 4;
}

function readElement(cpu: Cpu, at: number, bytes: number): bigint {
  if (bytes === 8) return cpu.view.getBigUint64(at, true);
  return BigInt(bytes === 2 ? cpu.view.getUint16(at, true) : cpu.view.getUint32(at, true));
}

function writeElement(cpu: Cpu, at: number, bytes: number, value: bigint): void {
  if (bytes === 8) cpu.view.setBigUint64(at, value, true);
  else if (bytes === 2) cpu.view.setUint16(at, Number(value), true);
  else cpu.view.setUint32(at, Number(value), true);
}

const PRECOMPUTATION = MXCSR.IE | MXCSR.DE | MXCSR.ZE;

/**
 * Adds exceptions to MXCSR and raises #XM if one is unmasked. Those that operands alone show come before the result
 * is computed: if one of them is unmasked, the others are never seen. SDM vol. 1, "Handling SIMD Floating-Point
 * Exceptions in Software".
 */
function noteExceptions(cpu: Cpu, exceptions: number): HelperResult {
  if (exceptions === 0) return HELPER.next;
  const mxcsr = cpu.get32(AT.mxcsr);
  const unmasked = exceptions & ~(mxcsr >> MASK_SHIFT);
  const seen = (unmasked & PRECOMPUTATION) !== 0 ? exceptions & PRECOMPUTATION : exceptions;
  cpu.set32(AT.mxcsr, mxcsr | seen);
  if (unmasked === 0) return HELPER.next;
  return cpu.raise((cpu.low(AT.cr4) & CR4.OSXMMEXCPT) !== 0 ? "XM" : "UD");
}

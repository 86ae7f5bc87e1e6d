// Floating-point arithmetic, comparison, minimum and maximum. SDM vol. 2, the instruction of each name; how results
// become exact in every bit and flag: float-lanes.ts.
import type { Val } from "@tsvm/tcg";
import { DOUBLE, SINGLE } from "../sse/float-format.ts";
import { FLOAT_SLOT } from "../sse/float-helper.ts";
import { FLAG } from "../state/bits.ts";
import { allProven, type FloatKind, FloatLanes, type Proof, provenOr, putSlow, slowResult } from "./float-lanes.ts";
import { isVex, type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { laneConstant, pickLanes } from "./vector-lanes.ts";
import { vexForms, withFirstSource, withoutMerged } from "./vector-operands.ts";

type Binary = "add" | "sub" | "mul" | "div";

/** What a native x op y needs to stand. */
function proofOf(f: FloatLanes, name: Binary, x: Val, y: Val, result: Val): Proof {
  const zeroIsExact = {
    add: () => f.isZero(result),
    sub: () => f.isZero(result),
    mul: () => f.either(f.isZero(x), f.isZero(y)),
    div: () => f.isZero(x),
  }[name];
  const exact = {
    add: () => f.isExactSum(x, y, result),
    sub: () => f.isExactSum(x, f.op("neg", y), result),
    mul: () => f.isExactProduct(x, y, result),
    div: () => isExactQuotient(f, x, y, result),
  }[name];
  if (f.lanes > 1) {
    const rarelyQuiet = (): Val =>
      f.all(f.both(f.both(f.isQuietOperand(x), f.isQuietOperand(y)), f.isQuietResult(result, zeroIsExact())));
    return { quiet: f.areAllNormal([x, y], result), rarelyQuiet, exact: () => f.all(exact()) };
  }
  // NaNs and infinities show in the result.
  return {
    operands: [f.isNoDenormal(x), f.isNoDenormal(y)],
    ...(x !== y && { jointly: () => f.areUsual(x, y, result) }),
    quiet: f.isNormalResult(result),
    rarelyQuiet: () => f.both(f.isZero(result), zeroIsExact()),
    exact,
  };
}

/** x / y = quotient without rounding if and only if quotient * y = x without rounding. */
function isExactQuotient(f: FloatLanes, x: Val, y: Val, quotient: Val): Val {
  const product = f.op("mul", quotient, y);
  return f.both(f.op("eq", product, x), f.isExactProduct(quotient, y, product));
}

function compute(f: FloatLanes, name: Binary, x: readonly Val[], y: readonly Val[]): readonly Val[] {
  const native = x.map((part, i) => f.op(name, part, y[i] as Val));
  const proofs = native.map((result, i) => proofOf(f, name, x[i] as Val, y[i] as Val, result));
  const slow = (): void => f.slow(name, x, y);
  const results = provenOr(f.b, native, allProven(f.b, proofs), () =>
    f.lanes === 1 ? besideNaNs(f, x[0] as Val, y[0] as Val, slow) : slow(),
  );
  noteResults(f, [...x, ...y], results);
  return results;
}

/** Whatever else happened, a denormal result is no native one, and was not computed from a denormal vector. */
function noteResults(f: FloatLanes, operands: readonly Val[], results: readonly Val[]): void {
  if (f.lanes === 1) f.b.assume(() => f.isNoDenormal(results[0] as Val));
  else f.b.noteNoDenormals([...operands, ...results]);
}

/** A quiet NaN passes without exceptions, whatever MXCSR says; programs that use them as missing values do so a lot. */
function besideNaNs(f: FloatLanes, x: Val, y: Val, slow: () => void): void {
  const { b } = f;
  const first = b.select(isUnordered(f, x, x), f.toBits(x), f.toBits(y));
  b.when(passesQuietly(f, x, y), () => putSlow(b, FLOAT_SLOT.result, [first]), slow);
}

const isUnordered = (f: FloatLanes, x: Val, y: Val): Val => f.either(f.op("ne", x, x), f.op("ne", y, y));

/** Scalars: one of the operands is a NaN, and none is a signaling one. */
function passesQuietly(f: FloatLanes, x: Val, y: Val): Val {
  const { b } = f;
  const quiet = b.const((f.double ? DOUBLE : SINGLE).quiet);
  const isSignaling = (v: Val): Val => b.both(f.op("ne", v, v), b.eqz(b.and(f.toBits(v), quiet)));
  return b.both(isUnordered(f, x, y), b.isFalse(b.either(isSignaling(x), isSignaling(y))));
}

const arithmetic =
  (name: Binary, kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const [dst, first, second] = withFirstSource(b, operands);
    const f = new FloatLanes(b, kind);
    const y = f.load(second!);
    f.store(dst!, compute(f, name, f.load(first!), y));
  };

const squareRoot =
  (kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const [dst, src] = withoutMerged(operands);
    const f = new FloatLanes(b, kind);
    const y = f.load(src!);
    const native = y.map((part) => f.op("sqrt", part));
    const proofs = native.map((root, i) => rootProof(f, y[i] as Val, root));
    const roots = provenOr(b, native, allProven(b, proofs), () => f.slow("sqrt", [], y));
    noteResults(f, y, roots);
    f.store(dst!, roots);
  };

function rootProof(f: FloatLanes, y: Val, root: Val): Proof {
  const exact = (): Val => {
    const square = f.op("mul", root, root);
    return f.all(f.both(f.op("eq", square, y), f.isExactProduct(root, root, square)));
  };
  if (f.lanes === 1) {
    const rarelyQuiet = (): Val => f.isZero(y);
    return { operands: [f.isNoDenormal(y)], quiet: f.isNormalResult(root), rarelyQuiet, exact };
  }
  const rarelyQuiet = (): Val => f.all(f.both(f.isQuietOperand(y), f.isQuietResult(root, f.isZero(y))));
  return { quiet: f.areAllNormal([y], root), rarelyQuiet, exact };
}

/** Neither operand is a NaN or denormal: comparing them raises nothing. */
const comparable = (f: FloatLanes, x: readonly Val[], y: readonly Val[]): Proof =>
  allProven(
    f.b,
    x.map((part, i) => comparablePart(f, part, y[i] as Val)),
  );

function comparablePart(f: FloatLanes, x: Val, y: Val): Proof {
  if (f.lanes > 1) return { quiet: f.all(f.both(f.isQuietOperand(x), f.isQuietOperand(y))) };
  return { operands: [f.isNoDenormal(x), f.isNoDenormal(y)], quiet: f.b.isFalse(isUnordered(f, x, y)) };
}

/** DEST if it is less (greater), else SRC: also for zeros of any sign, and unordered operands. */
const choose =
  (name: "min" | "max", kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const [dst, first, second] = withFirstSource(b, operands);
    const f = new FloatLanes(b, kind);
    const [yBits, xBits] = [second!.loadLanes(), first!.loadLanes()];
    const [x, y] = [xBits.map((bits) => f.fromBits(bits)), yBits.map((bits) => f.fromBits(bits))];
    const chosen = x.map((part, i) => {
      const [mine, other] = [xBits[i] as Val, yBits[i] as Val];
      const wins = f.op(name === "min" ? "lt" : "gt", part, y[i] as Val);
      return f.lanes === 1 ? b.select(wins, mine, other) : b.op("v128.bitselect", mine, other, wins);
    });
    dst!.storeLanes(provenOr(b, chosen, comparable(f, x, y), () => f.slow(name, x, y)));
  };

// --- comparison ---

/** EQ LT LE UNORD by bits 1:0 of the predicate, negated by bit 2: all ones or 0. Operands are not NaNs here. */
function predicateMask(f: FloatLanes, x: Val, y: Val, predicate: Val): Val {
  const { b } = f;
  const is = (number: number): Val => b.eq(b.and(predicate, b.const(3)), b.const(number));
  const mask = (name: string): Val => {
    const condition = f.op(name, x, y);
    return f.lanes === 1 ? b.sub(b.const(0), b.bool(condition)) : condition;
  };
  const none = f.lanes === 1 ? b.const(0) : b.vector(0n, 0n);
  const plain = b.select(is(0), mask("eq"), b.select(is(1), mask("lt"), b.select(is(2), mask("le"), none)));
  const negation = b.sub(b.const(0), b.and(b.shr(predicate, b.const(2)), b.const(1)));
  if (f.lanes === 1) return b.xor(plain, negation);
  return b.op("v128.xor", plain, b.op("i64x2.splat", negation));
}

/** VEX forms have 32 predicates, the others 8; without NaNs the further ones are like those of bits 2:0. */
const comparePacked =
  (kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const [dst, first, second, immediate] = withFirstSource(b, operands);
    const f = new FloatLanes(b, kind);
    const y = f.load(second!);
    const x = f.load(first!);
    const predicate = b.and(immediate!.load(), b.const(isVex(b.shape.row) ? 31 : 7));
    const masks = x.map((part, i) => predicateMask(f, part, y[i] as Val, predicate));
    const slow = (): void => f.slow("cmp", x, y, { immediate: predicate });
    dst!.storeLanes(provenOr(b, masks, comparable(f, x, y), slow));
  };

/** Flags of an unordered comparison, as UCOMISD sets them. */
const UNORDERED = FLAG.ZF | FLAG.PF | FLAG.CF;

/** COMISS and UCOMISS differ in whether quiet NaNs are invalid. */
const compareFlags =
  (name: "comi" | "ucomi", kind: "ss" | "sd"): Semantics =>
  (b, dst, src) => {
    const f = new FloatLanes(b, kind);
    const y = f.fromBits(src!.load());
    const x = f.fromBits(dst!.load());
    const image = b.or(b.bool(f.op("lt", x, y)), b.shl(b.bool(f.op("eq", x, y)), b.const(6)));
    const slow = (): void => f.slow(name, [x], [y]);
    const unordered = (): void => putSlow(b, FLOAT_SLOT.result, [b.const(UNORDERED)]);
    const fallback = name === "comi" ? slow : (): void => b.when(passesQuietly(f, x, y), unordered, slow);
    b.flags.comparison(provenOr(b, [image], comparable(f, [x], [y]), fallback)[0] as Val);
  };

// --- SSE3: neighbours and alternation ---

/** Neighbours of DEST, then of SRC: the even one first. */
const horizontal =
  (name: "add" | "sub", kind: "ps" | "pd"): Semantics =>
  (b, ...operands) => {
    const [dst, first, second] = withFirstSource(b, operands);
    const f = new FloatLanes(b, kind);
    const y = second!.loadLanes();
    const x = first!.loadLanes();
    const bytes = f.double ? 8 : 4;
    const every = (start: number): number[] => new Array(f.lanes).fill(0).map((_, i) => 2 * i + start);
    const picked = (start: number): Val[] => x.map((part, i) => pickLanes(b, bytes, every(start), part, y[i] as Val));
    f.store(dst!, compute(f, name, picked(0), picked(1)));
  };

/** Even lanes are subtracted, odd ones added. */
const addSubtract =
  (kind: "ps" | "pd"): Semantics =>
  (b, ...operands) => {
    const [dst, first, second] = withFirstSource(b, operands);
    const f = new FloatLanes(b, kind);
    const y = second!.loadLanes();
    const x = first!.loadLanes();
    const signs = f.double
      ? laneConstant(b, "i64x2", [1n << 63n, 0])
      : laneConstant(b, "i32x4", [0x8000_0000, 0, 0x8000_0000, 0]);
    const signed = y.map((part) => b.op("v128.xor", part, signs));
    const native = x.map((part, i) => f.op("add", part, signed[i] as Val));
    const proofs = native.map((sum, i) => proofOf(f, "add", x[i] as Val, signed[i] as Val, sum));
    dst!.storeLanes(provenOr(b, native, allProven(b, proofs), () => f.slow("addsub", x, y)));
  };

// --- SSE4.1: dot product ---

/** Too rare for a native path. */
const dotProduct =
  (double: boolean): Semantics =>
  (b, ...operands) => {
    const [dst, first, second, immediate] = withFirstSource(b, operands);
    putSlow(b, FLOAT_SLOT.y, second!.loadLanes());
    putSlow(b, FLOAT_SLOT.x, first!.loadLanes());
    b.helper("sseDotProduct", b.const(double ? 1 : 0), immediate!.load(), b.const(dst!.lanes));
    dst!.storeLanes(slowResult(b, dst!.lanes));
  };

/** Prefix and CPUID feature by the end of the mnemonic. */
const KINDS: Readonly<Record<FloatKind, { prefix: string; options: RowOptions }>> = {
  ps: { prefix: "NP", options: { fpu: "sse", cpuid: "sse", aligned: true } },
  pd: { prefix: "66", options: { fpu: "sse", cpuid: "sse2", aligned: true } },
  ss: { prefix: "F3", options: { fpu: "sse", cpuid: "sse" } },
  sd: { prefix: "F2", options: { fpu: "sse", cpuid: "sse2" } },
};

/** The PS, PD, SS and SD rows of one opcode. */
export const fourKinds = (
  opcode: string,
  name: string,
  semantics: (kind: FloatKind) => Semantics,
  immediate: readonly "Ib"[] = [],
): Row[] =>
  (Object.keys(KINDS) as FloatKind[]).map((kind) => {
    const { prefix, options } = KINDS[kind];
    const operands: OperandCode[] = [`V${kind}`, `W${kind}`, ...immediate];
    return row(`${prefix} 0F ${opcode}`, `${name}${kind.toUpperCase()}`, operands, semantics(kind), options);
  });

/** Rows of {@link fourKinds} with their VEX forms. @param operands of packed forms; scalars always name a third. */
export function withVexKinds(rows: readonly Row[], operands: "three" | "same"): Row[] {
  const isPacked = ({ operands: [dst] }: Row): boolean => dst === "Vps" || dst === "Vpd";
  return [
    ...rows,
    ...vexForms(rows.filter(isPacked), { operands, wide: "avx" }),
    ...vexForms(
      rows.filter((scalar) => !isPacked(scalar)),
      { operands: "three", scalar: true },
    ),
  ];
}

const SSE3: RowOptions = { fpu: "sse", cpuid: "sse3", aligned: true };
const SSE41: RowOptions = { fpu: "sse", cpuid: "sse4.1", aligned: true };

const binary: readonly Row[] = [
  ...fourKinds("58 /r", "ADD", (kind) => arithmetic("add", kind)),
  ...fourKinds("59 /r", "MUL", (kind) => arithmetic("mul", kind)),
  ...fourKinds("5C /r", "SUB", (kind) => arithmetic("sub", kind)),
  ...fourKinds("5D /r", "MIN", (kind) => choose("min", kind)),
  ...fourKinds("5E /r", "DIV", (kind) => arithmetic("div", kind)),
  ...fourKinds("5F /r", "MAX", (kind) => choose("max", kind)),
  ...fourKinds("C2 /r ib", "CMP", comparePacked, ["Ib"]),
];

const comparisons: readonly Row[] = [
  row("NP 0F 2E /r", "UCOMISS", ["Vss", "Wss"], compareFlags("ucomi", "ss"), KINDS.ss.options),
  row("66 0F 2E /r", "UCOMISD", ["Vsd", "Wsd"], compareFlags("ucomi", "sd"), KINDS.sd.options),
  row("NP 0F 2F /r", "COMISS", ["Vss", "Wss"], compareFlags("comi", "ss"), KINDS.ss.options),
  row("66 0F 2F /r", "COMISD", ["Vsd", "Wsd"], compareFlags("comi", "sd"), KINDS.sd.options),
];

const acrossLanes: readonly Row[] = [
  row("66 0F 7C /r", "HADDPD", ["Vpd", "Wpd"], horizontal("add", "pd"), SSE3),
  row("F2 0F 7C /r", "HADDPS", ["Vps", "Wps"], horizontal("add", "ps"), SSE3),
  row("66 0F 7D /r", "HSUBPD", ["Vpd", "Wpd"], horizontal("sub", "pd"), SSE3),
  row("F2 0F 7D /r", "HSUBPS", ["Vps", "Wps"], horizontal("sub", "ps"), SSE3),
  row("66 0F D0 /r", "ADDSUBPD", ["Vpd", "Wpd"], addSubtract("pd"), SSE3),
  row("F2 0F D0 /r", "ADDSUBPS", ["Vps", "Wps"], addSubtract("ps"), SSE3),
  row("66 0F 3A 40 /r ib", "DPPS", ["Vps", "Wps", "Ib"], dotProduct(false), SSE41),
];
const doubleDotProduct = row("66 0F 3A 41 /r ib", "DPPD", ["Vpd", "Wpd", "Ib"], dotProduct(true), SSE41);

export const rows: readonly Row[] = [
  ...withVexKinds(fourKinds("51 /r", "SQRT", squareRoot), "same"),
  ...withVexKinds(binary, "three"),
  ...comparisons,
  ...vexForms(comparisons, { operands: "same", scalar: true }),
  ...acrossLanes,
  ...vexForms(acrossLanes, { operands: "three", wide: "avx" }),
  doubleDotProduct,
  ...vexForms([doubleDotProduct], { operands: "three" }),
];

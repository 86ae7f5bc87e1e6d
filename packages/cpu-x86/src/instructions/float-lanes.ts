// What the floating-point families share: scalars and vectors under one interface, the test whether the native result
// is right in every bit and flag, and the way to the slow path if it is not.
//
// Invariant: the native operation of WebAssembly (round to nearest, no flags) stands only if
// - no operand is a NaN, an infinity or denormal, and the result is neither of these nor tiny: then IE, DE, ZE, OE and
//   UE cannot be set, and FZ and DAZ do not matter; zeros are fine where they are exact;
// - rounding is to nearest, and either PE is set already (and masked) or the result is exact.
// Everything else is computed by sse/float-helper.ts. After its first inexact result a program has PE set.
import type { Val } from "@tsvm/tcg";
import type { PlainOp } from "@tsvm/wasm-emit";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { MXCSR } from "../sse/float-format.ts";
import { describeFloat, FLOAT_SLOT, type FloatOperation } from "../sse/float-helper.ts";
import { AT } from "../state/layout.ts";

/** What an instruction works on, as its mnemonic ends. */
export type FloatKind = "ss" | "sd" | "ps" | "pd";

const SHAPE = {
  ss: { prefix: "f32", lanes: 1, double: false },
  sd: { prefix: "f64", lanes: 1, double: true },
  ps: { prefix: "f32x4", lanes: 4, double: false },
  pd: { prefix: "f64x2", lanes: 2, double: true },
} as const;

/**
 * Smallest normal numbers, the multiplier that splits a significand in halves, and what keeps error terms normal. Then as
 * integers, shifted left so that the sign is gone and the exponent on top: by how much, the smallest normal number, infinity.
 */
const SINGLE_LIMITS = {
  minNormal: 2 ** -126,
  splitter: 2 ** 12 + 1,
  errorSafe: 2 ** -60,
  shift: 33,
  leastNormal: 0x0080_0000n << 33n,
  infinity: 0x7f80_0000n << 33n,
};
const DOUBLE_LIMITS = {
  minNormal: 2 ** -1022,
  splitter: 2 ** 27 + 1,
  errorSafe: 2 ** -900,
  shift: 1,
  leastNormal: 0x0010_0000_0000_0000n << 1n,
  infinity: 0x7ff0_0000_0000_0000n << 1n,
};

/**
 * Of numbers whose sign is shifted out: what is added, and what they are compared with afterwards, so that operands are below the limit
 * if they are denormal, and results above if they are not normal. Comparisons of lanes have signs: everything is moved by half of all numbers.
 */
const USUAL_SINGLES = { floats: "f32x4", lanes: "i32x4", ...usualLimits(SINGLE_LIMITS, 32) } as const;
const USUAL_DOUBLES = { floats: "f64x2", lanes: "i64x2", ...usualLimits(DOUBLE_LIMITS, 64) } as const;

function usualLimits({ leastNormal, infinity }: typeof DOUBLE_LIMITS, bits: 32 | 64) {
  const inLane = (limit: bigint): bigint => limit >> BigInt(64 - bits);
  const half = 1n << BigInt(bits - 1);
  const least = inLane(leastNormal);
  const above = least + 1n;
  const inAllLanes = (value: bigint): bigint => {
    const lane = BigInt.asUintN(bits, value);
    return bits === 64 ? lane : (lane << 32n) | lane;
  };
  return {
    operand: { moved: inAllLanes(half - 1n), limit: inAllLanes(half + least - 1n) },
    outcome: { moved: inAllLanes(half - above), limit: inAllLanes(half + inLane(infinity) - above - 1n) },
  };
}

/** Float operations on one kind; conditions are i32 for scalars and lane masks for vectors. */
export class FloatLanes {
  readonly b: X86Builder;
  readonly kind: FloatKind;
  readonly lanes: 1 | 2 | 4;
  readonly double: boolean;
  readonly limits: typeof DOUBLE_LIMITS;
  readonly #prefix: "f32" | "f64" | "f32x4" | "f64x2";

  constructor(b: X86Builder, kind: FloatKind) {
    const { prefix, lanes, double } = SHAPE[kind];
    this.b = b;
    this.kind = kind;
    this.lanes = lanes;
    this.double = double;
    this.limits = double ? DOUBLE_LIMITS : SINGLE_LIMITS;
    this.#prefix = prefix;
  }

  get #packed(): boolean {
    return this.lanes > 1;
  }

  /** A WebAssembly operation of this kind by the rest of its name. */
  op(name: string, x: Val, y?: Val): Val {
    return this.b.op(`${this.#prefix}.${name}` as PlainOp, x, y);
  }

  /** The same number in every lane. */
  constant(value: number): Val {
    if (!this.#packed) return this.double ? this.b.float64(value) : this.b.float32(value);
    const bits = bitsOf(value, this.double);
    return this.b.vector(bits, bits);
  }

  /** The operand in parts this class works on: scalars and 128-bit vectors are one, 256-bit vectors two. */
  load(operand: Operand): readonly Val[] {
    return operand.loadLanes().map((bits) => this.fromBits(bits));
  }

  /** Writes what {@link load} reads. */
  store(operand: Operand, parts: readonly Val[]): void {
    operand.storeLanes(parts.map((value) => this.toBits(value)));
  }

  /** As operands give it: v128, or i64 with the scalar in its low bits. */
  fromBits(bits: Val): Val {
    const { b } = this;
    if (this.#packed) return bits;
    return this.double ? b.op("f64.reinterpret_i64", bits) : b.op("f32.reinterpret_i32", b.wrap(bits));
  }

  toBits(value: Val): Val {
    const { b } = this;
    if (this.#packed) return value;
    return this.double ? b.op("i64.reinterpret_f64", value) : b.bool(b.op("i32.reinterpret_f32", value));
  }

  both(p: Val, q: Val): Val {
    return this.b.op(this.#packed ? "v128.and" : "i32.and", p, q);
  }

  either(p: Val, q: Val): Val {
    return this.b.op(this.#packed ? "v128.or" : "i32.or", p, q);
  }

  /** Whether the condition holds in every lane, i32. */
  all(condition: Val): Val {
    if (!this.#packed) return condition;
    const { b } = this;
    // Three host instructions, where all_true takes seven.
    const mask = b.op(this.double ? "i64x2.bitmask" : "i32x4.bitmask", condition);
    return b.op("i32.eq", mask, b.const32(2 ** this.lanes - 1));
  }

  isZero(x: Val): Val {
    return this.op("eq", x, this.constant(0));
  }

  /** Zero, normal or infinite: such operands raise nothing by themselves. */
  isQuietOperand(x: Val): Val {
    return this.either(this.op("ge", this.op("abs", x), this.constant(this.limits.minNormal)), this.isZero(x));
  }

  /** Scalars: not denormal. Integers do, which are cheaper than comparing floats; a NaN is none. */
  isNoDenormal(x: Val): Val {
    const { b } = this;
    const { leastNormal } = this.limits;
    // Zero becomes the largest number.
    return b.op("i64.ge_u", b.sub(this.#magnitude(x), b.const(1)), b.const(leastNormal - 1n));
  }

  /**
   * Scalars: neither operand is denormal, and the result is normal. In vectors, which takes less of what integers are computed
   * by than one after the other, and one branch.
   */
  areUsual(x: Val, y: Val, result: Val): Val {
    const { b, double } = this;
    const { floats, lanes, operand, outcome } = double ? USUAL_DOUBLES : USUAL_SINGLES;
    const splat = (value: Val): Val => b.op(`${floats}.splat`, value);
    const constant = (bits: bigint): Val => b.vector(bits, bits);
    const moved = (vector: Val, by: bigint): Val =>
      b.op(`${lanes}.add`, b.op(`${lanes}.add`, vector, vector), constant(by));
    const operands = moved(b.lane(`${floats}.replace_lane`, 1, splat(x), y), operand.moved);
    const denormal = b.op(`${lanes}.gt_s`, constant(operand.limit), operands);
    const unusual = b.op(`${lanes}.gt_s`, moved(splat(result), outcome.moved), constant(outcome.limit));
    return b.op("i32.eqz", b.op(`${lanes}.bitmask`, b.op("v128.or", denormal, unusual)));
  }

  /**
   * Vectors, i32: all of `result` is finite and neither tiny nor zero, nor is any lane of `operands` denormal or zero. What
   * else they are shows in the result. Cheaper than {@link isQuietOperand} and {@link isQuietResult}, and mostly so.
   */
  areAllNormal(operands: readonly Val[], result: Val): Val {
    const magnitude = this.op("abs", result);
    const least = operands
      .filter((x) => !this.b.hasNoDenormals(x))
      .reduce((least, x) => this.op("pmin", this.op("abs", x), least), magnitude);
    const large = this.op("gt", least, this.constant(this.limits.minNormal));
    return this.all(this.both(large, this.op("lt", magnitude, this.constant(Number.POSITIVE_INFINITY))));
  }

  /** Scalars: finite, and too large to have been tiny. */
  isNormalResult(result: Val): Val {
    const { b } = this;
    const { leastNormal, infinity } = this.limits;
    const above = b.const(leastNormal + 1n);
    return b.ltU(b.sub(this.#magnitude(result), above), b.const(infinity - leastNormal - 1n));
  }

  /** A scalar's exponent and fraction at the top of an i64. */
  #magnitude(x: Val): Val {
    return this.b.shl(this.toBits(x), this.b.const(this.limits.shift));
  }

  /** A finite result that cannot have been tiny, or a zero for which `zeroIsExact` holds. */
  isQuietResult(result: Val, zeroIsExact: Val): Val {
    const magnitude = this.op("abs", result);
    const finite = this.op("lt", magnitude, this.constant(Number.POSITIVE_INFINITY));
    return this.both(finite, this.either(this.op("gt", magnitude, this.constant(this.limits.minNormal)), zeroIsExact));
  }

  /** Whether x + y = sum without rounding. Knuth, The Art of Computer Programming vol. 2, "Accuracy of Floating Point Arithmetic". */
  isExactSum(x: Val, y: Val, sum: Val): Val {
    const yTaken = this.op("sub", sum, x);
    const xTaken = this.op("sub", sum, yTaken);
    return this.isZero(this.op("add", this.op("sub", x, xTaken), this.op("sub", y, yTaken)));
  }

  /**
   * Whether x * y = product without rounding, by the error term; false if that may be inexact itself. Dekker, "A
   * Floating-Point Technique for Extending the Available Precision" (1971).
   */
  isExactProduct(x: Val, y: Val, product: Val): Val {
    const [highX, lowX] = this.#split(x);
    const [highY, lowY] = this.#split(y);
    const high = this.op("sub", this.op("mul", highX, highY), product);
    const middle = this.op("add", this.op("add", high, this.op("mul", highX, lowY)), this.op("mul", lowX, highY));
    const error = this.op("add", middle, this.op("mul", lowX, lowY));
    const normal = this.op("gt", this.op("abs", product), this.constant(this.limits.errorSafe));
    return this.either(this.isZero(product), this.both(normal, this.isZero(error)));
  }

  /** Two halves of the significand whose products with other halves are exact. */
  #split(x: Val): readonly [Val, Val] {
    const scaled = this.op("mul", x, this.constant(this.limits.splitter));
    const high = this.op("sub", scaled, this.op("sub", scaled, x));
    return [high, this.op("sub", x, high)];
  }

  /** Computes on the slow path, all parts at once; the result lies in `helperArgs`. May raise #XM. */
  slow(operation: FloatOperation, x: readonly Val[], y: readonly Val[], options: SlowOptions = {}): void {
    const { b } = this;
    if (b.leavesForHelpers) return b.helper("sseFloat");
    putSlow(b, FLOAT_SLOT.x, x);
    putSlow(b, FLOAT_SLOT.y, y);
    if (options.z !== undefined) putSlow(b, FLOAT_SLOT.z, options.z);
    const lanes = options.lanes ?? ((this.lanes * y.length) as 1 | 2 | 4 | 8);
    const description = describeFloat(operation, this.double, lanes);
    b.helper("sseFloat", b.const(description), options.immediate ?? b.const(0));
  }
}

/** What a slow operation may be told beside its operands. */
export interface SlowOptions {
  readonly immediate?: Val;
  /** Lanes that count, if the parts of y do not tell. */
  readonly lanes?: 2 | 4 | 8;
  /** A third operand. */
  readonly z?: readonly Val[];
}

/** Puts the parts of an operand of any type where the slow path looks for it. */
export function putSlow(b: X86Builder, slot: number, parts: readonly Val[]): void {
  for (const [i, value] of parts.entries()) {
    b.store(`${value.type}.store`, undefined, AT.helperArgs + slot + i * 16, value);
  }
}

/** Vectors that the slow path has left. */
export const slowResult = (b: X86Builder, parts: 1 | 2): readonly Val[] =>
  Array.from({ length: parts }, (_, i) => b.load("v128.load", undefined, AT.helperArgs + FLOAT_SLOT.result + i * 16));

/** What must hold for a native result to stand. */
export interface Proof {
  /** i32, each: what `quiet` needs of the operands, if it does not say so itself. */
  readonly operands?: readonly Val[];
  /** i32: all of these and `quiet` at once. */
  readonly jointly?: () => Val;
  /** i32: no exception but PE can occur, and nothing depends on FZ and DAZ. */
  readonly quiet: Val;
  /** i32: the same for results that are rare and dearer to prove. */
  readonly rarelyQuiet?: () => Val;
  /** i32: the result is exact; computed only while PE is clear. Exact by nature if absent. */
  readonly exact?: () => Val;
}

/** Rounding to nearest, with PE masked and set; the same without PE set yet. */
const INEXACT_CONTROL = MXCSR.RC | MXCSR.PM | MXCSR.PE;
const INEXACT_SEEN = MXCSR.PM | MXCSR.PE;

/** Proof of several parts together. */
export function allProven(b: X86Builder, proofs: readonly Proof[]): Proof {
  if (proofs.length === 1) return proofs[0] as Proof;
  const quiet = everyOf(
    b,
    proofs.map((proof) => wholeOf(b, proof)),
  );
  const exacts = proofs.flatMap(({ exact }) => exact ?? []);
  return {
    quiet,
    ...(proofs.some(({ rarelyQuiet }) => rarelyQuiet) && {
      rarelyQuiet: () =>
        everyOf(
          b,
          proofs.map((proof) => ultimatelyOf(b, proof)),
        ),
    }),
    ...(exacts.length > 0 && {
      exact: () =>
        everyOf(
          b,
          exacts.map((exact) => exact()),
        ),
    }),
  };
}

const everyOf = (b: X86Builder, conditions: readonly Val[]): Val => conditions.reduce((p, q) => b.both(p, q));

const wholeOf = (b: X86Builder, { operands = [], quiet }: Proof): Val => everyOf(b, [...operands, quiet]);

/** With what is dearer to prove. */
const ultimatelyOf = (b: X86Builder, { operands = [], quiet, rarelyQuiet }: Proof): Val =>
  everyOf(b, [...operands, rarelyQuiet === undefined ? quiet : b.either(quiet, rarelyQuiet())]);

/** The native result, in parts, where `proof` holds, else what `slow` leaves in `helperArgs`. */
export function provenOr(b: X86Builder, native: readonly Val[], proof: Proof, slow: () => void): readonly Val[] {
  const results = native.map((part) => b.variable(part));
  const control = b.and(b.state("mxcsr"), b.const(INEXACT_CONTROL));
  const seen = b.eq(control, b.const(INEXACT_SEEN));
  const last = (): void => {
    slow();
    for (const [i, result] of results.entries()) {
      b.set(result, b.load(`${result.type}.load`, undefined, AT.helperArgs + FLOAT_SLOT.result + i * 16));
    }
  };
  if (b.leavesForHelpers && !b.mayNeedExactness) proveInTurn(b, proof, seen, last);
  else proveAtOnce(b, proof, seen, last);
  return results.map((result) => b.get(result));
}

/** Branches that leave cost less than a condition made of all that must hold; what was proved once need not be again. */
function proveInTurn(
  b: X86Builder,
  { operands = [], jointly, quiet, rarelyQuiet, exact }: Proof,
  seen: Val,
  last: () => void,
): void {
  const leave = (): void => b.helper("sseFloat");
  const lastUnlessQuiet = (): void =>
    b.whenRarely(b.isFalse(quiet), () => {
      if (rarelyQuiet === undefined) last();
      else b.when(b.isFalse(rarelyQuiet()), last);
    });
  const open = operands.filter((condition) => !b.isProven(condition));
  if (exact !== undefined) b.prove(seen, leave);
  if (open.length > 1 && jointly !== undefined) {
    b.whenRarely(b.isFalse(jointly()), () => {
      for (const condition of open) b.prove(condition, leave);
      lastUnlessQuiet();
    });
    for (const condition of open) b.assume(() => condition);
  } else {
    for (const condition of open) b.prove(condition, leave);
    lastUnlessQuiet();
  }
}

function proveAtOnce(b: X86Builder, proof: Proof, seen: Val, last: () => void): void {
  const { rarelyQuiet, exact, operands = [] } = proof;
  const quiet = wholeOf(b, proof);
  b.whenRarely(b.isFalse(exact === undefined ? quiet : b.both(quiet, seen)), () => {
    if (exact === undefined) return last();
    const nowQuiet = rarelyQuiet === undefined ? quiet : b.either(quiet, everyOf(b, [...operands, rarelyQuiet()]));
    const toNearest = b.eqz(b.and(b.state("mxcsr"), b.const(MXCSR.RC)));
    b.when(b.isFalse(b.both(nowQuiet, b.either(seen, b.both(toNearest, exact())))), last);
  });
}

/** The bits of a constant in all of 64 bits: one double or two equal singles. */
function bitsOf(value: number, double: boolean): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (double) view.setFloat64(0, value);
  else {
    view.setFloat32(0, value);
    view.setFloat32(4, value);
  }
  return view.getBigUint64(0);
}

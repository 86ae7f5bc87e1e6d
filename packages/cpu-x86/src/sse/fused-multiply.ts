// x * y + z rounded once, natively: subroutines on vectors that find out by themselves whether their result is right.
//
// WebAssembly has no fused operation, so the product and the sum are kept with their errors, and what is left is rounded to
// odd before the last addition rounds it for good. Boldo and Melquiond, "Emulation of a FMA and Correctly Rounded Sums:
// Proved Algorithms Using Rounding to Odd" (2008). Singles are simpler: their products are exact doubles.
//
// Invariants:
// 1. A lane of the result is either what the instruction gives under rounding to nearest without any exception but
//    precision, or all ones, a NaN: then nothing is known. No result that stands is a NaN.
// 2. The vector at INEXACT_SLOT has bits set in the lanes whose result is rounded.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";
import { AT } from "../state/layout.ts";
import { FLOAT_SLOT } from "./float-helper.ts";

/** Where the subroutines leave which lanes are inexact. */
export const INEXACT_SLOT: number = AT.helperArgs + FLOAT_SLOT.result;

/** f64x2 arithmetic by short names. */
class Doubles {
  readonly b: IrBuilder;
  constructor(b: IrBuilder) {
    this.b = b;
  }
  add = (x: Val, y: Val): Val => this.b.op("f64x2.add", x, y);
  sub = (x: Val, y: Val): Val => this.b.op("f64x2.sub", x, y);
  mul = (x: Val, y: Val): Val => this.b.op("f64x2.mul", x, y);
  constant = (value: number): Val => {
    const bits = doubleBits(value);
    return this.b.vector(bits, bits);
  };

  /** x + y = sum + error, exactly. Knuth, The Art of Computer Programming vol. 2, "Accuracy of Floating Point Arithmetic". */
  exactSum(x: Val, y: Val): readonly [sum: Val, error: Val] {
    const sum = this.add(x, y);
    const yTaken = this.sub(sum, x);
    const xTaken = this.sub(sum, yTaken);
    return [sum, this.add(this.sub(x, xTaken), this.sub(y, yTaken))];
  }

  /** x * y = product + error, exactly, if neither splitting nor the error leaves the range. Dekker (1971). */
  exactProduct(x: Val, y: Val): readonly [product: Val, error: Val] {
    const product = this.mul(x, y);
    const [highX, lowX] = this.#split(x);
    const [highY, lowY] = this.#split(y);
    const high = this.sub(this.mul(highX, highY), product);
    const middle = this.add(this.add(high, this.mul(highX, lowY)), this.mul(lowX, highY));
    return [product, this.add(middle, this.mul(lowX, lowY))];
  }

  #split(x: Val): readonly [Val, Val] {
    const scaled = this.mul(x, this.constant(2 ** 27 + 1));
    const high = this.sub(scaled, this.sub(scaled, x));
    return [high, this.sub(x, high)];
  }

  /** x + y rounded to odd: of the two neighbours of an inexact sum the one whose last bit is set. And whether it is inexact. */
  sumToOdd(x: Val, y: Val): readonly [sum: Val, inexact: Val] {
    const { b } = this;
    const [sum, error] = this.exactSum(x, y);
    const inexact = b.op("f64x2.ne", error, this.constant(0));
    const one = b.vector(1n, 1n);
    const even = b.op("i64x2.sub", b.op("v128.and", sum, one), one);
    // The true value is on the error's side: one step up in magnitude where the signs agree, else one down.
    const step = b.op("v128.or", b.op("i64x2.shr_s", b.op("v128.xor", sum, error), b.const32(63)), one);
    const taken = b.op("v128.and", step, b.op("v128.and", inexact, even));
    return [b.op("i64x2.add", sum, taken), inexact];
  }
}

function doubleBits(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/** Two doubles. */
export const fusedDoubles: Subroutine = {
  name: "fusedDoubles",
  params: ["v128", "v128", "v128"],
  result: "v128",
  body: (b, x, y, z) => {
    const f = new Doubles(b);
    const [params, result, inexact] = fuseDoubles(f, x as Val, y as Val, z as Val);
    const zero = f.constant(0);
    const within = (v: Val): Val => {
      const magnitude = b.op("f64x2.abs", v);
      const normal = b.op("f64x2.ge", magnitude, f.constant(2 ** -1022));
      return b.op(
        "v128.and",
        b.op("v128.or", normal, b.op("f64x2.eq", v, zero)),
        b.op("f64x2.lt", magnitude, f.constant(2 ** 960)),
      );
    };
    const product = b.op("f64x2.abs", params.product);
    const vanishes = params.vanishes;
    // Errors of smaller products are not exact. A product that vanishes has none.
    const fits = b.op("v128.or", b.op("f64x2.gt", product, f.constant(2 ** -900)), vanishes);
    const size = b.op("f64x2.abs", result);
    // A zero is exact: nothing but two opposite numbers adds up to it.
    const visible = b.op("v128.or", b.op("f64x2.gt", size, f.constant(2 ** -1022)), b.op("f64x2.eq", size, zero));
    const proven = [within(x as Val), within(y as Val), within(z as Val), fits, visible]
      .concat(b.op("f64x2.lt", product, f.constant(2 ** 960)))
      .reduce((p, q) => b.op("v128.and", p, q));
    b.store("v128.store", undefined, INEXACT_SLOT, inexact);
    giveBack(b, b.op("v128.or", result, b.op("v128.not", proven)));
  },
};

function fuseDoubles(
  f: Doubles,
  x: Val,
  y: Val,
  z: Val,
): readonly [{ product: Val; vanishes: Val }, result: Val, inexact: Val] {
  const { b } = f;
  const [product, productError] = f.exactProduct(x, y);
  const [low, lowError] = f.exactSum(z, productError);
  const [high, highError] = f.exactSum(product, low);
  const [rest, restInexact] = f.sumToOdd(lowError, highError);
  const [sum, sumError] = f.exactSum(high, rest);
  const vanishes = b.op("v128.or", b.op("f64x2.eq", x, f.constant(0)), b.op("f64x2.eq", y, f.constant(0)));
  // The sign of a sum of zeros is that of an addition.
  const result = b.op("v128.bitselect", f.add(product, z), sum, vanishes);
  const rounded = b.op("v128.or", restInexact, b.op("f64x2.ne", sumError, f.constant(0)));
  return [{ product, vanishes }, result, b.op("v128.andnot", rounded, vanishes)];
}

/** Four singles. */
export const fusedSingles: Subroutine = {
  name: "fusedSingles",
  params: ["v128", "v128", "v128"],
  result: "v128",
  body: (b, x, y, z) => {
    const f = new Doubles(b);
    const low = fuseSingles(f, x as Val, y as Val, z as Val);
    const upper = (v: Val): Val => b.shuffle([8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15], v, v);
    const high = fuseSingles(f, upper(x as Val), upper(y as Val), upper(z as Val));
    const join = (p: Val, q: Val): Val => b.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23], p, q);
    const result = join(low.result, high.result);
    const constant = (bits: bigint): Val => b.vector(bits | (bits << 32n), bits | (bits << 32n));
    const smallest = constant(0x0080_0000n);
    const quiet = (v: Val): Val =>
      b.op("v128.or", b.op("f32x4.ge", b.op("f32x4.abs", v), smallest), b.op("f32x4.eq", v, constant(0n)));
    const size = b.op("f32x4.abs", result);
    const normal = b.op("v128.and", b.op("f32x4.gt", size, smallest), b.op("f32x4.lt", size, constant(0x7f80_0000n)));
    // A zero stands if it was one before the last rounding.
    const proven = [
      quiet(x as Val),
      quiet(y as Val),
      quiet(z as Val),
      b.op("v128.or", normal, narrowMask(b, low.zero, high.zero)),
    ].reduce((p, q) => b.op("v128.and", p, q));
    b.store("v128.store", undefined, INEXACT_SLOT, b.op("v128.or", low.inexact, high.inexact));
    giveBack(b, b.op("v128.or", result, b.op("v128.not", proven)));
  },
};

/** Masks of doubles as masks of singles. */
const narrowMask = (b: IrBuilder, low: Val, high: Val): Val =>
  b.shuffle([0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27], low, high);

/** The two low lanes. */
function fuseSingles(f: Doubles, x: Val, y: Val, z: Val): { result: Val; zero: Val; inexact: Val } {
  const { b } = f;
  const wide = (v: Val): Val => b.op("f64x2.promote_low_f32x4", v);
  const [sum, sumInexact] = f.sumToOdd(f.mul(wide(x), wide(y)), wide(z));
  const result = b.op("f32x4.demote_f64x2_zero", sum);
  const narrowed = b.op("f64x2.ne", wide(result), sum);
  return { result, zero: b.op("f64x2.eq", sum, f.constant(0)), inexact: b.op("v128.or", sumInexact, narrowed) };
}

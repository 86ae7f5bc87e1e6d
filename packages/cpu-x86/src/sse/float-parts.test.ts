import { describe, expect, it } from "vitest";
import { classify, range, reduce } from "./float-classes.ts";
import { contextOf, DOUBLE, type FloatContext, MXCSR, SINGLE } from "./float-format.ts";
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

const view = new DataView(new ArrayBuffer(8));
const bits = (value: number): bigint => {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
};
const number = (value: bigint): number => {
  view.setBigUint64(0, value);
  return view.getFloat64(0);
};
const context = (mxcsr = 0x1f80): FloatContext => contextOf(mxcsr);
const QUIET = DOUBLE.infinity | DOUBLE.quiet | 5n;
const SIGNALING = DOUBLE.infinity | 5n;

/** What an operation makes of a double, and the exceptions. */
function of(compute: (c: FloatContext) => bigint, mxcsr?: number): [number, number] {
  const c = context(mxcsr);
  return [number(compute(c)), c.exceptions];
}

describe("parts of numbers", () => {
  it("exponents", () => {
    const exponent = (x: number): [number, number] => of((c) => getExponent(c, DOUBLE, bits(x)));
    expect([1, 1.99, 2, -0.75, 1024].map((x) => exponent(x)[0])).toEqual([0, 0, 1, -1, 10]);
    expect(exponent(0)).toEqual([Number.NEGATIVE_INFINITY, 0]);
    expect(exponent(Number.NEGATIVE_INFINITY)).toEqual([Number.POSITIVE_INFINITY, 0]);
    expect(exponent(2 ** -1074)).toEqual([-1074, MXCSR.DE]);
    expect(of((c) => getExponent(c, DOUBLE, SIGNALING))).toEqual([Number.NaN, MXCSR.IE]);
  });

  it("significands in each interval, with each sign", () => {
    const mantissa = (x: number, imm: number): number => of((c) => getMantissa(c, DOUBLE, bits(x), imm))[0];
    expect([0, 1, 2, 3].map((interval) => mantissa(-10, interval))).toEqual([-1.25, -0.625, -0.625, -1.25]);
    expect([0, 1, 2, 3].map((interval) => mantissa(7, interval))).toEqual([1.75, 1.75, 0.875, 0.875]);
    expect(mantissa(-10, 4)).toBe(1.25);
    expect(of((c) => getMantissa(c, DOUBLE, bits(-10), 8))).toEqual([Number.NaN, MXCSR.IE]);
    expect([mantissa(0, 2), mantissa(-0, 8), mantissa(Number.POSITIVE_INFINITY, 2)]).toEqual([1, -1, 1]);
    expect(mantissa(2 ** -1074 * 3, 0)).toBe(1.5);
  });

  it("scaling by a power that is rounded down", () => {
    const scaled = (x: number, y: number): [number, number] => of((c) => scale(c, DOUBLE, bits(x), bits(y)));
    expect([scaled(3, 2.9), scaled(3, -0.5), scaled(3, -2)]).toEqual([
      [12, 0],
      [1.5, 0],
      [0.75, 0],
    ]);
    expect(scaled(1, 1e300)).toEqual([Number.POSITIVE_INFINITY, MXCSR.OE | MXCSR.PE]);
    expect(scaled(1, -1e300)).toEqual([0, MXCSR.UE | MXCSR.PE]);
    expect(scaled(0, Number.POSITIVE_INFINITY)).toEqual([Number.NaN, MXCSR.IE]);
    expect(scaled(-5, Number.NEGATIVE_INFINITY)).toEqual([-0, 0]);
    expect(of((c) => scale(c, DOUBLE, QUIET, bits(Number.POSITIVE_INFINITY)))).toEqual([Number.POSITIVE_INFINITY, 0]);
    // Only in the first source are denormals reported.
    expect([scaled(2 ** -1074, 1), scaled(3, 2 ** -1074)]).toEqual([
      [2 ** -1073, MXCSR.DE],
      [3, 0],
    ]);
  });

  it("rounding to fractions, and what that takes away", () => {
    const rounded = (x: number, imm: number): [number, number] => of((c) => roundScale(c, DOUBLE, bits(x), imm));
    expect([rounded(1.3, 0x10), rounded(1.3, 0x21), rounded(-1.3, 0x22)]).toEqual([
      [1.5, MXCSR.PE],
      [1.25, MXCSR.PE],
      [-1.25, MXCSR.PE],
    ]);
    expect(rounded(1.3, 0x28)).toEqual([1.25, 0]);
    expect(rounded(-0.1, 3)).toEqual([-0, MXCSR.PE]);
    const reduced = (x: number, imm: number): [number, number] => of((c) => reduce(c, DOUBLE, bits(x), imm));
    expect(reduced(1.375, 0x10)).toEqual([-0.125, 0]);
    expect([reduced(2 ** -80, 2), reduced(2 ** -80, 10)]).toEqual([
      [-1 + 2 ** -53, MXCSR.PE],
      [-1 + 2 ** -53, 0],
    ]);
    expect([reduced(5, 0), reduced(5, 1), reduced(Number.NEGATIVE_INFINITY, 0)]).toEqual([
      [0, 0],
      [-0, 0],
      [0, 0],
    ]);
  });

  it("what rounding takes away, too small for a normal number", () => {
    const tiny = 3 * 2 ** -1074;
    const reduced = (x: number, imm: number, mxcsr: number): [number, number] =>
      of((c) => reduce(c, DOUBLE, bits(x), imm), mxcsr);
    const [flushing, unmasked] = [0x9f80, 0x1780];
    // Rounded down: what is nothing is -0, what is flushed keeps its sign.
    expect([reduced(tiny, 1, flushing), reduced(1, 1, flushing), reduced(tiny, 0, unmasked)]).toEqual([
      [0, MXCSR.PE],
      [-0, 0],
      [tiny, 0],
    ]);
  });

  it("tables of responses", () => {
    const table = (token: number, response: number): bigint => BigInt(response) << BigInt(token * 4);
    const fixed = (y: bigint, token: number, response: number, imm = 0): [number, number] =>
      of((c) => fixUp(c, DOUBLE, bits(42), y, imm, table(token, response)));
    expect([fixed(bits(0), 2, 5), fixed(bits(1), 3, 9), fixed(bits(-7), 6, 11), fixed(bits(7), 7, 13)]).toEqual([
      [Number.POSITIVE_INFINITY, 0],
      [-1, 0],
      [0.5, 0],
      [Math.PI / 2, 0],
    ]);
    expect([fixed(bits(7), 7, 0), fixed(bits(7), 7, 1), fixed(bits(-7), 6, 6), fixed(bits(7), 7, 14)]).toEqual([
      [42, 0],
      [7, 0],
      [Number.NEGATIVE_INFINITY, 0],
      [Number.MAX_VALUE, 0],
    ]);
    expect([fixed(bits(0), 2, 8, 3), fixed(SIGNALING, 1, 2, 0x10)]).toEqual([
      [0, MXCSR.IE | MXCSR.ZE],
      [Number.NaN, MXCSR.IE],
    ]);
  });

  it("ranges", () => {
    const ranged = (x: number, y: number, imm: number): number => of((c) => range(c, DOUBLE, bits(x), bits(y), imm))[0];
    const own = 4;
    expect([0, 1, 2, 3].map((op) => ranged(-3, 2, own | op))).toEqual([-3, 2, 2, -3]);
    expect([ranged(0, -0, own), ranged(-0, 0, own | 1), ranged(3, -3, own | 2), ranged(-3, 3, own | 3)]).toEqual([
      -0, 0, -3, 3,
    ]);
    expect([ranged(-3, 2, 1), ranged(-3, 2, 9), ranged(-3, 2, 13)]).toEqual([-2, 2, -2]);
    expect(ranged(Number.NaN, 2, own)).toBe(2);
    expect(of((c) => range(c, DOUBLE, bits(1), SIGNALING, 0))).toEqual([Number.NaN, MXCSR.IE]);
  });

  it("classes", () => {
    const classOf = (x: bigint, mxcsr?: number): number[] =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => classify(context(mxcsr), DOUBLE, x, 1 << bit) !== 0n);
    const tiny = bits(-(2 ** -1070));
    expect([QUIET, SIGNALING, bits(0), bits(-0), tiny, bits(-2), bits(2)].map((x) => classOf(x))).toEqual([
      [0],
      [7],
      [1],
      [2],
      [5, 6],
      [6],
      [],
    ]);
    expect([bits(Number.POSITIVE_INFINITY), bits(Number.NEGATIVE_INFINITY)].map((x) => classOf(x))).toEqual([[3], [4]]);
    expect(classOf(tiny, 0x1f80 | MXCSR.DAZ)).toEqual([2]);
  });

  it("unsigned integers", () => {
    const unsigned = (x: number, width: 32 | 64 = 32): [bigint, number] => {
      const c = context();
      return [toUnsigned(c, DOUBLE, bits(x), width, c.rounding), c.exceptions];
    };
    expect([unsigned(3e9), unsigned(2.5), unsigned(-0.4)]).toEqual([
      [3_000_000_000n, 0],
      [2n, MXCSR.PE],
      [0n, MXCSR.PE],
    ]);
    expect([unsigned(2 ** 32), unsigned(-1), unsigned(1e19, 64)]).toEqual([
      [0xffff_ffffn, MXCSR.IE],
      [0xffff_ffffn, MXCSR.IE],
      [10_000_000_000_000_000_000n, 0],
    ]);
  });

  it("approximations are within 2^-14, and signal nothing", () => {
    for (const x of [1, 3, 0.1, 1e-30, 7e20]) {
      const [inverse, exceptions] = of((c) => reciprocal(c, DOUBLE, bits(x)));
      expect(Math.abs(inverse * x - 1)).toBeLessThan(2 ** -14);
      expect(exceptions).toBe(0);
      const [root] = of((c) => reciprocalRoot(c, DOUBLE, bits(x)));
      expect(Math.abs(root * root * x - 1)).toBeLessThan(2 ** -13);
    }
    expect(of((c) => reciprocal(c, DOUBLE, bits(-0)))).toEqual([Number.NEGATIVE_INFINITY, 0]);
    expect(reciprocalRoot(context(), SINGLE, 0xbf80_0000n)).toBe(SINGLE.indefinite);
    expect(of((c) => reciprocalRoot(c, DOUBLE, SIGNALING))).toEqual([Number.NaN, 0]);
  });
});

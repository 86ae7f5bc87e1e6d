import { describe, expect, it } from "vitest";
import { type Approximation, bitLength, exponentOf, type Real } from "./approximation.ts";
import { arcTangent } from "./arc-tangent.ts";
import { powerOfTwoMinusOne } from "./exponential.ts";
import { logarithm, logarithmOfOnePlus } from "./logarithm.ts";
import { sineCosine, tangent } from "./trigonometric.ts";

/** Numbers of every size from 2^-200 to 2^(last - 1) with many bits. */
function sweep(last: number): Real[] {
  const numbers: Real[] = [];
  for (let exponent = -200; exponent < last; exponent += 7)
    numbers.push({ negative: exponent % 2 !== 0, significand: 0xfedc_ba98_7654_3211n, scale: 63 - exponent });
  return numbers;
}

/** Bits that agree, relative to the value. */
function agreement(a: Real, b: Real): number {
  const scale = Math.max(a.scale, b.scale);
  const at = (x: Real): bigint => (x.significand << BigInt(scale - x.scale)) * (x.negative ? -1n : 1n);
  const difference = at(a) - at(b);
  const magnitude = difference < 0n ? -difference : difference;
  if (magnitude === 0n) return Number.POSITIVE_INFINITY;
  return exponentOf(a) - (bitLength(magnitude) - 1 - scale);
}

/** Enough that a result of 64 bits is misrounded once in 2^36 cases. */
const ENOUGH = 100;
const one: Real = { negative: false, significand: 1n, scale: 0 };
const plusOne = ({ negative, significand, scale }: Real): Real => {
  const unit = 1n << BigInt(scale);
  return { negative: false, significand: negative ? unit - significand : unit + significand, scale };
};

describe("functions and their inverses", () => {
  it("2^x - 1 and log2(1 + x)", () => {
    for (const x of sweep(-1)) {
      const back = logarithmOfOnePlus(powerOfTwoMinusOne(x));
      expect(agreement(x, back), `2^${exponentOf(x)}`).toBeGreaterThan(ENOUGH);
    }
  });

  it("tangent and arc tangent, within a quarter turn", () => {
    for (const x of sweep(0)) {
      const back = arcTangent(tangent(x), one);
      expect(agreement(x, back), `2^${exponentOf(x)}`).toBeGreaterThan(ENOUGH);
    }
  });
});

describe("identities", () => {
  it("log2(1 + x) is the logarithm of 1 + x", () => {
    for (const x of sweep(-1).filter((number) => exponentOf(number) > -60)) {
      expect(agreement(logarithm(plusOne(x)), logarithmOfOnePlus(x))).toBeGreaterThan(ENOUGH);
    }
  });

  it("the sine is the cosine times the tangent, in every quadrant", () => {
    for (const x of sweep(63)) {
      const { sine, cosine } = sineCosine(x);
      const tan = tangent(x);
      const product: Real = {
        negative: cosine.negative !== tan.negative,
        significand: cosine.significand * tan.significand,
        scale: cosine.scale + tan.scale,
      };
      expect(agreement(sine, product), `2^${exponentOf(x)}`).toBeGreaterThan(ENOUGH);
    }
  });

  it("powers of two have exact logarithms", () => {
    const exact: Approximation = logarithm({ negative: false, significand: 1n << 63n, scale: 163 });
    expect(exact).toMatchObject({ negative: true, significand: 100n, exact: true });
  });
});

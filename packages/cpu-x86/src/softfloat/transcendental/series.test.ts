import { expect, test } from "vitest";
import { exponentialMinusOne, naturalLog2, pi, sineAndCosine } from "./series.ts";

const ONE = 1n << 120n;

test("constants are right to the last bits, whatever precision was asked for before", () => {
  // Hexadecimal digits after the point as tables have them.
  expect(pi(64)).toBe(0x3_243f_6a88_85a3_08d3n);
  expect(pi(192)).toBe(0x3_243f_6a88_85a3_08d3_1319_8a2e_0370_7344_a409_3822_299f_31d0n);
  expect(pi(64)).toBe(0x3_243f_6a88_85a3_08d3n);
  expect(naturalLog2(128)).toBe(0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6afn);
});

test("sine and cosine lie on the unit circle", () => {
  for (const x of [0n, 1n, ONE / 3n, (ONE * 3n) / 4n, -ONE / 5n]) {
    const { sine, cosine } = sineAndCosine(x, 120);
    const error = sine * sine + cosine * cosine - ONE * ONE;
    expect(error < ONE << 8n && error > -(ONE << 8n)).toBe(true);
  }
});

test("e^x - 1 and e^-x - 1 are each other's inverse", () => {
  for (const x of [ONE / 2n, ONE / 1000n, 12_345n]) {
    const [up, down] = [exponentialMinusOne(x, 120) + ONE, exponentialMinusOne(-x, 120) + ONE];
    const error = up * down - ONE * ONE;
    expect(error < ONE << 8n && error > -(ONE << 8n)).toBe(true);
  }
});

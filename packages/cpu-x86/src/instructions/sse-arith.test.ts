import { describe, expect, it } from "vitest";
import { bytesOf, MXCSR_DEFAULT, VectorMachine } from "../../test/vector-machine.ts";
import { MXCSR } from "../sse/float-format.ts";
import { FLAG } from "../state/bits.ts";

const m = new VectorMachine();
const ADDPD = "660f58c1";
const DIVPD = "660f5ec1";
const ADDSD = "f20f58c1";

function flagsAfter(hex: string, x: readonly number[], y: readonly number[], mxcsr: number = MXCSR_DEFAULT): number {
  m.mxcsr = mxcsr;
  m.doubles(hex, x, y);
  return m.mxcsr & 0x3f;
}

describe("MXCSR", () => {
  it.each([
    ["ADDPD", ADDPD, [0.5, 3], [0.25, 4], [0.1, 3], [0.2, 4]],
    ["SUBPD", "660f5cc1", [0.5, 3], [0.25, 4], [1, 3], [2 ** -60, 4]],
    ["MULPD", "660f59c1", [3, 2 ** 26 + 1], [5, 2 ** 26 - 1], [3, 0.1], [5, 0.1]],
    ["DIVPD", DIVPD, [15, 1], [3, 64], [15, 1], [3, 3]],
    ["SQRTPD", "660f51c1", [0, 0], [2.25, 1e10], [0, 0], [2.25, 2]],
  ] as const)("PE is set by %s in one lane, and by exact results never", (_, hex, x, y, inexactX, inexactY) => {
    expect(flagsAfter(hex, x, y)).toBe(0);
    expect(flagsAfter(hex, inexactX, inexactY)).toBe(MXCSR.PE);
    expect(flagsAfter(hex, x, y, MXCSR_DEFAULT | MXCSR.PE)).toBe(MXCSR.PE);
  });

  it("zeros are exact without further ado", () => {
    expect(flagsAfter("660f59c1", [0, -0], [0.1, 3])).toBe(0);
    expect(flagsAfter(DIVPD, [0, -0], [0.1, 3])).toBe(0);
    expect(flagsAfter(ADDPD, [0.1, 0], [-0.1, 0])).toBe(0);
  });

  it("a product that rounds up to the smallest normal number was tiny all the same", () => {
    // 53 bits fit with an unbounded exponent: the value is exact there and below the normal numbers.
    const before = MXCSR_DEFAULT | MXCSR.PE;
    expect(flagsAfter("660f59c1", [1 - 2 ** -53, 1], [2 ** -1022, 1], before)).toBe(MXCSR.UE | MXCSR.PE);
  });

  it("denormal operands are told even where the result is normal", () => {
    expect(flagsAfter(ADDPD, [1, 1], [2 ** -1074, 1])).toBe(MXCSR.DE | MXCSR.PE);
  });

  it("rounding control holds for every lane", () => {
    m.mxcsr = MXCSR_DEFAULT | (2 << 13);
    expect(m.doubles(DIVPD, [1, -1], [3, 3])).toEqual([0.33333333333333337, -1 / 3]);
    m.mxcsr = MXCSR_DEFAULT | (1 << 13);
    expect(m.doubles(DIVPD, [1, -1], [3, 3])).toEqual([1 / 3, -0.33333333333333337]);
    expect(Object.is(m.doubles(ADDPD, [1, 1], [-1, 1])[0], -0)).toBe(true);
    m.mxcsr = MXCSR_DEFAULT;
  });
});

describe("#XM", () => {
  it("leaves the destination and tells the exceptions that operands show", () => {
    m.mxcsr = MXCSR_DEFAULT & ~MXCSR.ZM;
    expect(m.doubles(DIVPD, [1, 1], [0, 3])).toEqual([1, 1]);
    expect(m.fault).toMatch("#");
    expect(m.cpu.get32("pendingVector") - 1).toBe(19);
    // The other lane's PE would have come after the computation.
    expect(m.mxcsr & 0x3f).toBe(MXCSR.ZE);
  });

  it("comes of PE too, and only when the result is inexact", () => {
    m.mxcsr = MXCSR_DEFAULT & ~MXCSR.PM;
    m.doubles(ADDPD, [1, 1], [1, 1]);
    expect(m.fault).toBe("none");
    m.doubles(ADDPD, [1, 1], [1, 2 ** -80]);
    expect(m.cpu.get32("pendingVector") - 1).toBe(19);
    m.mxcsr = MXCSR_DEFAULT;
  });
});

describe("scalars", () => {
  it("keep the upper half of the destination", () => {
    expect(m.doubles(ADDSD, [1, 77], [2, 99])).toEqual([3, 77]);
  });

  it("MINSD and MAXSD give SRC for zeros and NaNs", () => {
    for (const opcode of ["5d", "5f"]) {
      expect(m.doubles(`f20f${opcode}c1`, [0, 0], [-0, 0])[0]).toBe(-0);
      expect(m.doubles(`f20f${opcode}c1`, [Number.NaN, 0], [3, 0])[0]).toBe(3);
      expect(m.doubles(`f20f${opcode}c1`, [3, 0], [Number.NaN, 0])[0]).toBeNaN();
    }
  });
});

describe("comparison", () => {
  const NaN_ = Number.NaN;
  it.each([
    ["greater", 2, 1, 0],
    ["less", 1, 2, FLAG.CF],
    ["equal", 0, -0, FLAG.ZF],
    ["unordered", NaN_, 1, FLAG.ZF | FLAG.PF | FLAG.CF],
  ])("UCOMISD: %s", (_, x, y, flags) => {
    m.flags = FLAG.OF | FLAG.SF | FLAG.AF;
    m.doubles("660f2ec1", [x, 0], [y, 0]);
    expect(m.flags).toBe(flags);
  });

  it("COMISD finds quiet NaNs invalid, UCOMISD does not", () => {
    expect(flagsAfter("660f2fc1", [NaN_, 0], [1, 0])).toBe(MXCSR.IE);
    expect(flagsAfter("660f2ec1", [NaN_, 0], [1, 0])).toBe(0);
  });

  it("CMPPS: eight predicates, the second four being the negations", () => {
    const x = [1, 2, 2, NaN_];
    const y = [2, 2, 1, 1];
    const masks = Array.from({ length: 8 }, (_, predicate) => {
      const result = m.apply(`0fc2c10${predicate}`, bytesOf(Float32Array.from(x)), bytesOf(Float32Array.from(y)));
      return [0, 4, 8, 12].map((at) => (result[at] === 0xff ? "1" : "0")).join("");
    });
    expect(masks).toEqual(["0100", "1000", "1100", "0001", "1011", "0111", "0011", "1110"]);
  });
});

describe("SSE3 and SSE4.1", () => {
  it("HADDPS joins neighbours, ADDSUBPS alternates", () => {
    expect(m.singles("f20f7cc1", [1, 2, 3, 4], [10, 20, 30, 40])).toEqual([3, 7, 30, 70]);
    expect(m.singles("f20f7dc1", [1, 2, 3, 5], [10, 30, 30, 40])).toEqual([-1, -2, -20, -10]);
    expect(m.singles("f20fd0c1", [1, 2, 3, 4], [10, 20, 30, 40])).toEqual([-9, 22, -27, 44]);
  });

  it("DPPS multiplies the lanes of bits 7:4 and writes those of bits 3:0", () => {
    expect(m.singles("660f3a40c17a", [1, 2, 3, 4], [10, 20, 30, 40])).toEqual([0, 140, 0, 140]);
    expect(m.doubles("660f3a41c131", [3, 4], [5, 6])).toEqual([39, 0]);
  });
});

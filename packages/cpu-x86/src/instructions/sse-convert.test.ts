import { describe, expect, it } from "vitest";
import { bytesOf, MXCSR_DEFAULT, VectorMachine } from "../../test/vector-machine.ts";
import { MXCSR, ROUND } from "../sse/float-format.ts";

const m = new VectorMachine();
const INDEFINITE32 = 0x8000_0000n;
const INDEFINITE64 = 0x8000_0000_0000_0000n;

/** RAX and the exceptions after an instruction on a double in XMM1. */
function toInteger(code: string, value: number, mxcsr: number = MXCSR_DEFAULT): { rax: bigint; exceptions: number } {
  m.mxcsr = mxcsr;
  m.xmm(1).set(bytesOf(Float64Array.of(value, 0)));
  m.run(code);
  return { rax: m.get("rax"), exceptions: m.mxcsr & 0x3f };
}
const CVTSD2SI = "f20f2dc1";
const CVTSD2SI_WIDE = "f2480f2dc1";
const CVTTSD2SI = "f20f2cc1";

describe("doubles to integers", () => {
  it.each([
    [ROUND.nearest, 2.5, 2n, -2.5, -2n],
    [ROUND.down, 2.5, 2n, -2.5, -3n],
    [ROUND.up, 2.5, 3n, -2.5, -2n],
    [ROUND.zero, 2.5, 2n, -2.5, -2n],
  ])("rounding control %i", (rounding, x, up, y, down) => {
    const mxcsr = MXCSR_DEFAULT | (rounding << 13);
    expect(toInteger(CVTSD2SI, x, mxcsr)).toEqual({ rax: up, exceptions: MXCSR.PE });
    expect(toInteger(CVTSD2SI, y, mxcsr).rax).toBe(BigInt.asUintN(32, down));
    expect(toInteger(CVTTSD2SI, x, mxcsr).rax).toBe(2n);
  });

  it("range ends where the rounded value does not fit", () => {
    expect(toInteger(CVTSD2SI, 2 ** 31 - 0.51)).toEqual({ rax: 0x7fff_ffffn, exceptions: MXCSR.PE });
    expect(toInteger(CVTSD2SI, 2 ** 31 - 0.5)).toEqual({ rax: INDEFINITE32, exceptions: MXCSR.IE });
    expect(toInteger(CVTTSD2SI, 2 ** 31 - 0.5)).toEqual({ rax: 0x7fff_ffffn, exceptions: MXCSR.PE });
    expect(toInteger(CVTSD2SI, -(2 ** 31))).toEqual({ rax: INDEFINITE32, exceptions: 0 });
    expect(toInteger(CVTSD2SI_WIDE, 2 ** 63)).toEqual({ rax: INDEFINITE64, exceptions: MXCSR.IE });
    expect(toInteger(CVTSD2SI_WIDE, -(2 ** 63))).toEqual({ rax: INDEFINITE64, exceptions: 0 });
    expect(toInteger(CVTSD2SI, Number.NaN)).toEqual({ rax: INDEFINITE32, exceptions: MXCSR.IE });
  });
});

describe("integers to doubles", () => {
  it.each([
    [2n ** 53n, 2 ** 53, 0],
    [2n ** 53n + 1n, 2 ** 53, MXCSR.PE],
    [2n ** 63n - 1n, 2 ** 63, MXCSR.PE],
    [-(2n ** 63n), -(2 ** 63), 0],
  ])("CVTSI2SD of %i", (value, expected, exceptions) => {
    m.mxcsr = MXCSR_DEFAULT;
    m.set({ rax: value }).run("f2480f2ac0");
    expect(new Float64Array(m.xmm(0).slice().buffer)[0]).toBe(expected);
    expect(m.mxcsr & 0x3f).toBe(exceptions);
  });

  it("CVTDQ2PS rounds, CVTDQ2PD never has to", () => {
    const dwords = new Uint8Array(Int32Array.of(0x7fff_ffff, -1, 16_777_217, 5).buffer);
    m.mxcsr = MXCSR_DEFAULT;
    const doubles = new Float64Array(m.apply("f30fe6c1", new Uint8Array(16), dwords).buffer);
    expect([...doubles]).toEqual([0x7fff_ffff, -1]);
    expect(m.mxcsr & 0x3f).toBe(0);
    const singles = new Float32Array(m.apply("0f5bc1", new Uint8Array(16), dwords).buffer);
    expect([...singles]).toEqual([2 ** 31, -1, 16_777_216, 5]);
    expect(m.mxcsr & 0x3f).toBe(MXCSR.PE);
  });
});

describe("between single and double", () => {
  it("CVTPD2PS clears the high half, CVTPS2PD takes the low one", () => {
    m.mxcsr = MXCSR_DEFAULT;
    m.doubles("660f5ac1", [7, 7], [1.5, 2 ** 130]);
    expect([...new Float32Array(m.xmm(0).slice().buffer)]).toEqual([1.5, Number.POSITIVE_INFINITY, 0, 0]);
    expect(m.mxcsr & 0x3f).toBe(MXCSR.OE | MXCSR.PE);
    m.singles("0f5ac1", [0, 0, 0, 0], [1.5, -3, 8, 9]);
    expect([...new Float64Array(m.xmm(0).slice().buffer)]).toEqual([1.5, -3]);
  });
});

describe("ROUNDPD", () => {
  const round = (imm: string, mxcsr: number): number[] => {
    m.mxcsr = mxcsr;
    return m.doubles(`660f3a09c1${imm}`, [0, 0], [2.5, -2.5]);
  };
  it.each([
    ["00", [2, -2]],
    ["01", [2, -3]],
    ["02", [3, -2]],
    ["03", [2, -2]],
    ["04", [3, -2]],
  ])("immediate %s; bit 2 leaves it to MXCSR, here upwards", (imm, expected) => {
    expect(round(imm, MXCSR_DEFAULT | (ROUND.up << 13))).toEqual(expected);
    expect(m.mxcsr & 0x3f).toBe(MXCSR.PE);
  });

  it("bit 3 hides the precision exception", () => {
    expect(round("09", MXCSR_DEFAULT)).toEqual([2, -3]);
    expect(m.mxcsr & 0x3f).toBe(0);
  });
});

describe("approximations", () => {
  const singles = (code: string, y: readonly number[]): number[] => m.singles(code, [0, 0, 0, 0], y);
  it("RCPPS and RSQRTPS are within 1.5 * 2^-12, and touch no exception", () => {
    m.mxcsr = MXCSR_DEFAULT;
    for (const x of [1, 3, 1e-20, 7e30, 2 ** -126]) {
      expect(Math.abs(singles("0f53c1", [x, 1, 1, 1])[0]! * x - 1)).toBeLessThan(1.5 * 2 ** -12);
      expect(Math.abs(singles("0f52c1", [x, 1, 1, 1])[0]! * Math.sqrt(x) - 1)).toBeLessThan(1.5 * 2 ** -12);
    }
    expect(m.mxcsr).toBe(MXCSR_DEFAULT);
  });

  it("take denormals for zeros, tiny results to zeros, and negative radicands to NaN", () => {
    const infinity = Number.POSITIVE_INFINITY;
    expect(singles("0f53c1", [1e-40, -0, 2 ** 127, -infinity])).toEqual([infinity, -infinity, 0, -0]);
    expect(singles("0f52c1", [1e-40, -0, -1, infinity])).toEqual([infinity, -infinity, Number.NaN, 0]);
  });
});

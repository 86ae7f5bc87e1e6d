import { describe, expect, it } from "vitest";
import { VectorMachine } from "../../test/vector-machine.ts";

const m = new VectorMachine();
/** DEST is 00..0f, SRC is 10..1f: results show where each byte came from. */
const X = Uint8Array.from({ length: 16 }, (_, i) => i);
const Y = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);
const hex = (bytes: Iterable<number>): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const imms = Array.from({ length: 256 }, (_, imm) => imm);
const field = (imm: number, i: number): number => (imm >> (2 * i)) & 3;
/** The bytes of lanes of a vector. */
const lanes = (v: Uint8Array, bytes: number, numbers: readonly number[]): string =>
  hex(numbers.flatMap((lane) => [...v.subarray(lane * bytes, (lane + 1) * bytes)]));
const run = (code: string, imm?: number): string => hex(m.apply(code + (imm === undefined ? "" : hex([imm])), X, Y));

describe("permutations by immediate, all 256 of them", () => {
  it("PSHUFD, PSHUFLW and PSHUFHW", () => {
    for (const imm of imms) {
      const four = [0, 1, 2, 3].map((i) => field(imm, i));
      expect(run("660f70c1", imm)).toBe(lanes(Y, 4, four));
      expect(run("f20f70c1", imm)).toBe(lanes(Y, 2, [...four, 4, 5, 6, 7]));
      expect(run("f30f70c1", imm)).toBe(lanes(Y, 2, [0, 1, 2, 3, ...four.map((i) => i + 4)]));
    }
  });

  it("SHUFPS and SHUFPD take from DEST, then from SRC", () => {
    for (const imm of imms) {
      const [a, b, c, d] = [0, 1, 2, 3].map((i) => field(imm, i));
      expect(run("0fc6c1", imm)).toBe(lanes(X, 4, [a!, b!]) + lanes(Y, 4, [c!, d!]));
      expect(run("660fc6c1", imm)).toBe(lanes(X, 8, [imm & 1]) + lanes(Y, 8, [(imm >> 1) & 1]));
    }
  });

  it("PALIGNR, PSRLDQ and PSLLDQ move zeros in", () => {
    const zeros = new Array(256 + 32).fill(0);
    for (const imm of imms) {
      expect(run("660f3a0fc1", imm)).toBe(hex([...Y, ...X, ...zeros].slice(imm, imm + 16)));
      expect(run("660f73d8", imm)).toBe(hex([...X, ...zeros].slice(imm, imm + 16)));
      expect(run("660f73f8", imm)).toBe(hex([...zeros.slice(0, imm), ...X].slice(0, 16)));
    }
  });

  it("BLENDPS, BLENDPD and PBLENDW", () => {
    for (const imm of imms)
      for (const [code, bytes] of [
        ["660f3a0cc1", 4],
        ["660f3a0dc1", 8],
        ["660f3a0ec1", 2],
      ] as const) {
        const expected = [...X].map((byte, i) => ((imm >> Math.floor(i / bytes)) & 1 ? Y[i]! : byte));
        expect(run(code, imm)).toBe(hex(expected));
      }
  });

  it("INSERTPS chooses, places and clears", () => {
    for (const imm of imms) {
      const result = [0, 1, 2, 3].map((lane) => {
        if ((imm >> lane) & 1) return "00000000";
        return lane === field(imm, 2) ? lanes(Y, 4, [field(imm, 3)]) : lanes(X, 4, [lane]);
      });
      expect(run("660f3a21c1", imm)).toBe(result.join(""));
    }
  });
});

describe("single lanes count modulo their number", () => {
  it.each([
    ["PEXTRB", "660f3a14c8", 1],
    ["PEXTRW", "660f3a15c8", 2],
    ["PEXTRW", "660fc5c1", 2],
    ["PEXTRD", "660f3a16c8", 4],
    ["PEXTRQ", "66480f3a16c8", 8],
    ["EXTRACTPS", "660f3a17c8", 4],
  ])("%s (%s) zero-extends into the register", (_, code, bytes) => {
    for (const imm of imms) {
      m.set({ rax: -1n });
      run(code, imm);
      const lane = imm & (16 / bytes - 1);
      const expected = [...Y.subarray(lane * bytes, (lane + 1) * bytes)].reverse();
      expect(m.get("rax")).toBe(BigInt(`0x${hex(expected)}`));
    }
  });

  it.each([
    ["PINSRB", "660f3a20c0", 1],
    ["PINSRW", "660fc4c0", 2],
    ["PINSRD", "660f3a22c0", 4],
    ["PINSRQ", "66480f3a22c0", 8],
  ])("%s", (_, code, bytes) => {
    m.set({ rax: 0xa7a6_a5a4_a3a2_a1a0n });
    for (const imm of imms) {
      const lane = imm & (16 / bytes - 1);
      const expected = X.slice();
      for (let i = 0; i < bytes; i++) expected[lane * bytes + i] = 0xa0 + i;
      expect(run(code, imm)).toBe(hex(expected));
    }
  });
});

describe("control in a register", () => {
  it("PSHUFB counts modulo 16 and clears where bit 7 is set", () => {
    const control = Uint8Array.from([15, 0, 0x80, 0x8f, 16, 31, 0x7f, 0x70, 1, 2, 3, 4, 5, 6, 7, 0xff]);
    const expected = [15, 0, 0, 0, 0, 15, 15, 0, 1, 2, 3, 4, 5, 6, 7, 0];
    expect([...m.apply("660f3800c1", X, control)]).toEqual(expected);
  });

  it("blends by the signs of XMM0 look at its lanes only", () => {
    // PBLENDVB, BLENDVPS and BLENDVPD of XMM2 (DEST) and XMM1.
    for (const [code, bytes] of [
      ["660f3810d1", 1],
      ["660f3814d1", 4],
      ["660f3815d1", 8],
    ] as const) {
      const signs = Uint8Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? 0x80 : 0x7f));
      m.xmm(2).set(X);
      m.apply(code, signs, Y);
      const expected = [...X].map((byte, i) =>
        signs[Math.floor(i / bytes) * bytes + bytes - 1]! & 0x80 ? Y[i]! : byte,
      );
      expect(hex(m.xmm(2))).toBe(hex(expected));
    }
  });
});

import { describe, expect, it } from "vitest";
import { VectorMachine, vectorSource } from "../../test/vector-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new VectorMachine();
const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

interface Strings {
  readonly set: Uint8Array;
  readonly text: Uint8Array;
  readonly setLength: number;
  readonly textLength: number;
}

function elements(bytes: Uint8Array, imm: number): number[] {
  const { buffer } = bytes.slice();
  const kinds = [Uint8Array, Uint16Array, Int8Array, Int16Array] as const;
  return [...new kinds[imm & 3]!(buffer)];
}

/** The manual's way: all comparisons of a matrix, overridden where an element is invalid, then summed up. */
function byMatrix({ set, text, setLength, textLength }: Strings, imm: number): number {
  const [a, c] = [elements(set, imm), elements(text, imm)];
  const n = a.length;
  const mode = (imm >> 2) & 3;
  /** Element `j` of the text against element `i` of the set. */
  const cell = (j: number, i: number): boolean => {
    const [validSet, validText] = [i < setLength, j < textLength];
    if (!validSet || !validText) {
      if (mode === 3) return !validSet;
      return mode === 2 && !validSet && !validText;
    }
    if (mode !== 1) return a[i] === c[j];
    return i % 2 === 0 ? a[i]! <= c[j]! : a[i]! >= c[j]!;
  };
  const all = Array.from({ length: n }, (_, i) => i);
  const bit = [
    (j: number) => all.some((i) => cell(j, i)),
    (j: number) => all.some((i) => i % 2 === 0 && cell(j, i) && cell(j, i + 1)),
    (j: number) => cell(j, j),
    (j: number) => all.every((i) => j + i >= n || cell(j + i, i)),
  ][mode]!;
  const first = all.reduce((bits, j) => bits | (bit(j) ? 1 << j : 0), 0);
  const valid = all.reduce((bits, j) => bits | (j < textLength ? 1 << j : 0), 0);
  const polarity = (imm >> 4) & 3;
  return polarity === 1 ? first ^ ((1 << n) - 1) : polarity === 3 ? first ^ valid : first;
}

function expectedFlags(result: number, { setLength, textLength }: Strings, n: number): number {
  return (
    (result !== 0 ? FLAG.CF : 0) |
    (textLength < n ? FLAG.ZF : 0) |
    (setLength < n ? FLAG.SF : 0) |
    (result & 1 ? FLAG.OF : 0)
  );
}

const lengthOf = (bytes: Uint8Array, imm: number): number => {
  const all = elements(bytes, imm);
  return all.includes(0) ? all.indexOf(0) : all.length;
};

/** Few different letters, so that there is something to find, and an end somewhere. */
const next = vectorSource(3);
const text = (): Uint8Array =>
  next().map((byte, i) => (i % 2 === 1 && byte % 3 ? 0 : byte % 7 === 0 ? 0 : 0x61 + (byte % 3)));

describe("PCMPISTRI and PCMPISTRM", () => {
  it.each(Array.from({ length: 128 }, (_, imm) => [hex(imm), imm] as const))("imm8 %s", (_, imm) => {
    const n = imm & 1 ? 8 : 16;
    for (let i = 0; i < 8; i++) {
      const [set, words] = [text(), text()];
      const strings = { set, text: words, setLength: lengthOf(set, imm), textLength: lengthOf(words, imm) };
      const result = byMatrix(strings, imm);
      m.set({ rcx: -1n });
      m.apply(`660f3a63c1${hex(imm)}`, set, words);
      const bits = Array.from({ length: n }, (_, j) => j).filter((j) => (result >> j) & 1);
      expect(m.get("rcx")).toBe(BigInt((imm & 0x40 ? bits.at(-1) : bits[0]) ?? n));
      expect(m.flags).toBe(expectedFlags(result, strings, n));
      const mask = m.apply(`660f3a62c1${hex(imm)}`, set, words);
      const expanded = Uint8Array.from({ length: 16 }, (_, at) =>
        (result >> Math.floor((at * n) / 16)) & 1 ? 0xff : 0,
      );
      const packed = Uint8Array.from({ length: 16 }, (_, at) => (at < 2 ? (result >> (at * 8)) & 0xff : 0));
      expect(mask).toEqual(imm & 0x40 ? expanded : packed);
    }
  });
});

describe("PCMPESTRI", () => {
  it.each([
    [3, 5],
    [-3, -5],
    [16, 16],
    [100, -100],
    [0, 0],
    [-0x8000_0000, 1],
  ])("lengths %i and %i count by magnitude, at most all of the vector", (rax, rdx) => {
    for (const imm of [0x00, 0x0c, 0x18, 0x45]) {
      const n = imm & 1 ? 8 : 16;
      const [set, words] = [next(), next()];
      const strings = {
        set,
        text: words,
        setLength: Math.min(Math.abs(rax), n),
        textLength: Math.min(Math.abs(rdx), n),
      };
      const result = byMatrix(strings, imm);
      // Without REX.W the upper halves do not count.
      m.set({ rax: (0x7n << 32n) | BigInt(rax >>> 0), rdx: BigInt(rdx >>> 0) });
      m.apply(`660f3a61c1${hex(imm)}`, set, words);
      expect(m.flags).toBe(expectedFlags(result, strings, n));
    }
  });
});

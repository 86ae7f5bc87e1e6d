import { describe, expect, it } from "vitest";
import { VectorMachine, vectorSource } from "../../test/vector-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new VectorMachine();
const ROUNDS = 60;

type Kind = "s" | "u";
/** Lanes of a width as numbers; 64-bit ones are exact because they stay bigint until the end. */
function lanesOf(bytes: Uint8Array, width: number, kind: Kind): bigint[] {
  const lanes: bigint[] = [];
  for (let at = 0; at < 16; at += width / 8) {
    let value = 0n;
    for (let i = width / 8 - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
    lanes.push(kind === "s" ? BigInt.asIntN(width, value) : value);
  }
  return lanes;
}

const cut = (values: readonly bigint[], width: number): bigint[] => values.map((v) => BigInt.asUintN(width, v));
const clampTo = (width: number, kind: Kind, v: bigint): bigint => {
  const w = BigInt(width);
  const [low, high] = kind === "s" ? [-(1n << (w - 1n)), (1n << (w - 1n)) - 1n] : [0n, (1n << w) - 1n];
  return v < low ? low : v > high ? high : v;
};
const magnitude = (v: bigint): bigint => (v < 0n ? -v : v);
const mask = (holds: boolean): bigint => (holds ? -1n : 0n);

/** The manual's Operation section of each lane. */
type Lane = (x: bigint, y: bigint) => bigint;
const saturating =
  (width: number, kind: Kind, lane: Lane): Lane =>
  (x, y) =>
    clampTo(width, kind, lane(x, y));
const plus: Lane = (x, y) => x + y;
const minus: Lane = (x, y) => x - y;
const average: Lane = (x, y) => (x + y + 1n) >> 1n;
const equal: Lane = (x, y) => mask(x === y);
const greater: Lane = (x, y) => mask(x > y);
const smaller: Lane = (x, y) => (greater(x, y) === 0n ? x : y);
const larger: Lane = (x, y) => (greater(x, y) === 0n ? y : x);
const signed: Lane = (x, y) => (y < 0n ? -x : y === 0n ? 0n : x);

const LANEWISE: readonly (readonly [string, string, number, Kind, Lane])[] = [
  ["PADDB", "fc", 8, "u", plus],
  ["PADDW", "fd", 16, "u", plus],
  ["PADDD", "fe", 32, "u", plus],
  ["PADDQ", "d4", 64, "u", plus],
  ["PSUBB", "f8", 8, "u", minus],
  ["PSUBW", "f9", 16, "u", minus],
  ["PSUBD", "fa", 32, "u", minus],
  ["PSUBQ", "fb", 64, "u", minus],
  ["PADDSB", "ec", 8, "s", saturating(8, "s", plus)],
  ["PADDSW", "ed", 16, "s", saturating(16, "s", plus)],
  ["PADDUSB", "dc", 8, "u", saturating(8, "u", plus)],
  ["PADDUSW", "dd", 16, "u", saturating(16, "u", plus)],
  ["PSUBSB", "e8", 8, "s", saturating(8, "s", minus)],
  ["PSUBSW", "e9", 16, "s", saturating(16, "s", minus)],
  ["PSUBUSB", "d8", 8, "u", saturating(8, "u", minus)],
  ["PSUBUSW", "d9", 16, "u", saturating(16, "u", minus)],
  ["PMINUB", "da", 8, "u", smaller],
  ["PMAXUB", "de", 8, "u", larger],
  ["PMINSW", "ea", 16, "s", smaller],
  ["PMAXSW", "ee", 16, "s", larger],
  ["PMINSB", "3838", 8, "s", smaller],
  ["PMINSD", "3839", 32, "s", smaller],
  ["PMINUW", "383a", 16, "u", smaller],
  ["PMINUD", "383b", 32, "u", smaller],
  ["PMAXSB", "383c", 8, "s", larger],
  ["PMAXSD", "383d", 32, "s", larger],
  ["PMAXUW", "383e", 16, "u", larger],
  ["PMAXUD", "383f", 32, "u", larger],
  ["PAVGB", "e0", 8, "u", average],
  ["PAVGW", "e3", 16, "u", average],
  ["PCMPEQB", "74", 8, "u", equal],
  ["PCMPEQW", "75", 16, "u", equal],
  ["PCMPEQD", "76", 32, "u", equal],
  ["PCMPEQQ", "3829", 64, "u", equal],
  ["PCMPGTB", "64", 8, "s", greater],
  ["PCMPGTW", "65", 16, "s", greater],
  ["PCMPGTD", "66", 32, "s", greater],
  ["PCMPGTQ", "3837", 64, "s", greater],
  ["PMULLW", "d5", 16, "s", (x, y) => x * y],
  ["PMULLD", "3840", 32, "s", (x, y) => x * y],
  ["PMULHW", "e5", 16, "s", (x, y) => (x * y) >> 16n],
  ["PMULHUW", "e4", 16, "u", (x, y) => (x * y) >> 16n],
  ["PMULHRSW", "380b", 16, "s", (x, y) => (((x * y) >> 14n) + 1n) >> 1n],
  ["PMULUDQ", "f4", 64, "u", (x, y) => (x & 0xffff_ffffn) * (y & 0xffff_ffffn)],
  ["PMULDQ", "3828", 64, "u", (x, y) => BigInt.asIntN(32, x) * BigInt.asIntN(32, y)],
  ["PSIGNB", "3808", 8, "s", signed],
  ["PSIGNW", "3809", 16, "s", signed],
  ["PSIGND", "380a", 32, "s", signed],
  ["PABSB", "381c", 8, "s", (_, y) => magnitude(y)],
  ["PABSW", "381d", 16, "s", (_, y) => magnitude(y)],
  ["PABSD", "381e", 32, "s", (_, y) => magnitude(y)],
  ["PAND", "db", 64, "u", (x, y) => x & y],
  ["PANDN", "df", 64, "u", (x, y) => ~x & y],
  ["POR", "eb", 64, "u", (x, y) => x | y],
  ["PXOR", "ef", 64, "u", (x, y) => x ^ y],
];

describe("packed integers, lane by lane", () => {
  it.each(LANEWISE)("%s", (_, opcode, width, kind, lane) => {
    const next = vectorSource(width);
    for (let i = 0; i < ROUNDS; i++) {
      const [x, y] = [next(), next()];
      const [xs, ys] = [lanesOf(x, width, kind), lanesOf(y, width, kind)];
      const expected = cut(
        xs.map((value, lane_) => lane(value, ys[lane_]!)),
        width,
      );
      expect(lanesOf(m.apply(`660f${opcode}c1`, x, y), width, "u")).toEqual(expected);
    }
  });
});

/** Neighbours of both operands laid side by side. */
const pairs = (values: readonly bigint[]): [bigint, bigint][] =>
  values.flatMap((value, i) => (i % 2 === 0 ? [[value, values[i + 1]!] as [bigint, bigint]] : []));

describe("packed integers, neighbours", () => {
  it.each([
    ["PHADDW", "3801", 16, (a: bigint, b: bigint) => a + b],
    ["PHADDD", "3802", 32, (a: bigint, b: bigint) => a + b],
    ["PHADDSW", "3803", 16, (a: bigint, b: bigint) => clampTo(16, "s", a + b)],
    ["PHSUBW", "3805", 16, (a: bigint, b: bigint) => a - b],
    ["PHSUBD", "3806", 32, (a: bigint, b: bigint) => a - b],
    ["PHSUBSW", "3807", 16, (a: bigint, b: bigint) => clampTo(16, "s", a - b)],
  ] as const)("%s joins those of DEST, then those of SRC", (_, opcode, width, join) => {
    const next = vectorSource(7);
    for (let i = 0; i < ROUNDS; i++) {
      const [x, y] = [next(), next()];
      const all = [...lanesOf(x, width, "s"), ...lanesOf(y, width, "s")];
      const expected = cut(
        pairs(all).map(([a, b]) => join(a, b)),
        width,
      );
      expect(lanesOf(m.apply(`660f${opcode}c1`, x, y), width, "u")).toEqual(expected);
    }
  });

  it("PMADDWD and PMADDUBSW add products of neighbours", () => {
    const next = vectorSource(9);
    for (let i = 0; i < ROUNDS; i++) {
      const [x, y] = [next(), next()];
      const products = (width: number, kind: Kind): bigint[] => {
        const ys = lanesOf(y, width, "s");
        return lanesOf(x, width, kind).map((value, lane) => value * ys[lane]!);
      };
      const words = pairs(products(16, "s")).map(([a, b]) => a + b);
      expect(lanesOf(m.apply("660ff5c1", x, y), 32, "u")).toEqual(cut(words, 32));
      const bytes = pairs(products(8, "u")).map(([a, b]) => clampTo(16, "s", a + b));
      expect(lanesOf(m.apply("660f3804c1", x, y), 16, "u")).toEqual(cut(bytes, 16));
    }
  });

  it("PSADBW sums differences of each half, MPSADBW of a sliding window", () => {
    const next = vectorSource(11);
    for (let i = 0; i < ROUNDS; i++) {
      const [x, y] = [next(), next()];
      const difference = (a: number, b: number): bigint => BigInt(Math.abs(x[a]! - y[b]!));
      const sum = (count: number, from: (k: number) => bigint): bigint =>
        Array.from({ length: count }, (_, k) => from(k)).reduce((a, b) => a + b);
      const halves = [0, 8].map((half) => sum(8, (k) => difference(half + k, half + k)));
      expect(lanesOf(m.apply("660ff6c1", x, y), 64, "u")).toEqual(halves);
      for (let imm = 0; imm < 8; imm++) {
        const [window, block] = [imm & 4, (imm & 3) * 4];
        const expected = Array.from({ length: 8 }, (_, lane) =>
          sum(4, (k) => difference(window + lane + k, block + k)),
        );
        expect(lanesOf(m.apply(`660f3a42c10${imm}`, x, y), 16, "u")).toEqual(expected);
      }
    }
  });

  it("PHMINPOSUW finds the first of the smallest words", () => {
    const next = vectorSource(13);
    for (let i = 0; i < ROUNDS; i++) {
      const y = next();
      const words = lanesOf(y, 16, "u");
      const least = words.reduce(smaller);
      const expected = [least, BigInt(words.indexOf(least)), 0n, 0n, 0n, 0n, 0n, 0n];
      expect(lanesOf(m.apply("660f3841c1", next(), y), 16, "u")).toEqual(expected);
    }
  });
});

describe("PTEST", () => {
  const zeros = new Uint8Array(16);
  const ones = new Uint8Array(16).fill(0xff);
  const low = Uint8Array.from(zeros).fill(0xff, 0, 8);
  it.each([
    ["nothing in common", low, low.toReversed(), FLAG.ZF],
    ["SRC inside DEST", ones, low, FLAG.CF],
    ["SRC partly in DEST", low, ones, 0],
    ["SRC empty", ones, zeros, FLAG.ZF | FLAG.CF],
  ])("%s", (_, x, y, expected) => {
    m.flags = FLAG.SF | FLAG.OF | FLAG.AF | FLAG.PF;
    m.apply("660f3817c1", x, y);
    expect(m.flags).toBe(expected);
  });
});

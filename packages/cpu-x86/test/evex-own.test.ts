// What AVX-512 has and AVX has not, element by element against the manual's Operation sections in TypeScript.
import { beforeAll, describe, expect, it } from "vitest";
import { evexRows } from "../src/instructions/evex.ts";
import type { Row } from "../src/instructions/row.ts";
import { EvexMachine, encodeEvex, wideSource } from "./evex-machine.ts";

let m: EvexMachine;
beforeAll(() => {
  m = new EvexMachine();
});

/** A vector's elements as unsigned numbers. */
type Elements = readonly bigint[];

interface Inputs {
  readonly dst: Elements;
  readonly first: Elements;
  readonly second: Elements;
  readonly imm: number;
  /** Bytes of an element. */
  readonly bytes: number;
}

const split = (bytes: Uint8Array, size: number, length: number): bigint[] =>
  Array.from({ length: length / size }, (_, i) => {
    let value = 0n;
    for (let j = size - 1; j >= 0; j--) value = (value << 8n) | BigInt(bytes[i * size + j] as number);
    return value;
  });

const join = (values: Elements, size: number): Uint8Array => {
  const bytes = new Uint8Array(64);
  for (const [i, value] of values.entries())
    for (let j = 0; j < size; j++) bytes[i * size + j] = Number((value >> BigInt(8 * j)) & 0xffn);
  return bytes;
};

const signed = (value: bigint, bytes: number): bigint => BigInt.asIntN(bytes * 8, value);
const cut = (value: bigint, bytes: number): bigint => BigInt.asUintN(bytes * 8, value);
const bitsOf = (bytes: number): bigint => BigInt(bytes * 8);

/** By element. */
const each =
  (compute: (x: bigint, y: bigint, bytes: number, dst: bigint, imm: number) => bigint) =>
  ({ dst, first, second, imm, bytes }: Inputs): Elements =>
    second.map((y, i) => cut(compute(first[i] ?? 0n, y, bytes, dst[i] ?? 0n, imm), bytes));

const rotl = (x: bigint, count: bigint, bytes: number): bigint => {
  const n = count % bitsOf(bytes);
  return (x << n) | (x >> (bitsOf(bytes) - n));
};
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const PREDICATES: readonly ((x: bigint, y: bigint) => boolean)[] = [
  (x, y) => x === y,
  (x, y) => x < y,
  (x, y) => x <= y,
  () => false,
  (x, y) => x !== y,
  (x, y) => x >= y,
  (x, y) => x > y,
  () => true,
];

const compare = (isSigned: boolean): ((inputs: Inputs) => Elements) =>
  each((x, y, bytes, _d, imm) => {
    const as = (v: bigint): bigint => (isSigned ? signed(v, bytes) : v);
    return (PREDICATES[imm & 7] as (x: bigint, y: bigint) => boolean)(as(x), as(y)) ? -1n : 0n;
  });

const ternary = each((x, y, bytes, dst, imm) => {
  let result = 0n;
  for (let i = 0n; i < bitsOf(bytes); i++) {
    const index = (((dst >> i) & 1n) << 2n) | (((x >> i) & 1n) << 1n) | ((y >> i) & 1n);
    result |= ((BigInt(imm & 0xff) >> index) & 1n) << i;
  }
  return result;
});

const byNumbers = ({ first, second }: Inputs): Elements =>
  first.map((number) => second[Number(number & 0xffffn) & (second.length - 1)] as bigint);
const ofTwo =
  (numbers: "dst" | "first") =>
  (inputs: Inputs): Elements => {
    const low = numbers === "dst" ? inputs.first : inputs.dst;
    const both = [...low, ...inputs.second];
    return inputs[numbers].map((number) => both[Number(number & 0xffffn) & (both.length - 1)] as bigint);
  };

/** Parts of 128 bits: elements of a part. */
const partOf = (elements: Elements, bytes: number, part: number): Elements => {
  const count = 16 / bytes;
  return elements.slice(part * count, (part + 1) * count);
};

const shuffleParts = ({ first, second, imm, bytes }: Inputs): Elements => {
  const parts = (first.length * bytes) / 16;
  const bits = parts === 4 ? 2 : 1;
  return Array.from({ length: parts }, (_, i) => {
    const from = (imm >> (i * bits)) & (parts - 1);
    return partOf(i < parts / 2 ? first : second, bytes, from);
  }).flat();
};

type Reference = (inputs: Inputs) => Elements;

/** By name: bytes of an element and what becomes of them. */
const REFERENCES: Readonly<Record<string, readonly [number, Reference]>> = {
  VPMINSQ: [8, each((x, y) => min(signed(x, 8), signed(y, 8)))],
  VPMAXSQ: [8, each((x, y) => max(signed(x, 8), signed(y, 8)))],
  VPMINUQ: [8, each(min)],
  VPMAXUQ: [8, each(max)],
  VPABSQ: [8, each((_x, y) => (signed(y, 8) < 0n ? -y : y))],
  VPMULLQ: [8, each((x, y) => x * y)],
  VPTERNLOGD: [4, ternary],
  VPTERNLOGQ: [8, ternary],
  VPROLVD: [4, each((x, y, b) => rotl(x, y, b))],
  VPROLVQ: [8, each((x, y, b) => rotl(x, y, b))],
  VPRORVD: [4, each((x, y, b) => rotl(x, bitsOf(b) - (y % bitsOf(b)), b))],
  VPRORVQ: [8, each((x, y, b) => rotl(x, bitsOf(b) - (y % bitsOf(b)), b))],
  VPROLD: [4, each((_x, y, b, _d, imm) => rotl(y, BigInt(imm & 0xff), b))],
  VPROLQ: [8, each((_x, y, b, _d, imm) => rotl(y, BigInt(imm & 0xff), b))],
  VPRORD: [4, each((_x, y, b, _d, imm) => rotl(y, bitsOf(b) - (BigInt(imm & 0xff) % bitsOf(b)), b))],
  VPRORQ: [8, each((_x, y, b, _d, imm) => rotl(y, bitsOf(b) - (BigInt(imm & 0xff) % bitsOf(b)), b))],
  VPSRAVQ: [8, each((x, y, b) => signed(x, b) >> min(y, bitsOf(b) - 1n))],
  VPSRAVW: [2, each((x, y, b) => signed(x, b) >> min(y, bitsOf(b) - 1n))],
  VPSLLVW: [2, each((x, y, b) => (y < bitsOf(b) ? x << y : 0n))],
  VPSRLVW: [2, each((x, y, b) => (y < bitsOf(b) ? x >> y : 0n))],
  VPCMPD: [4, compare(true)],
  VPCMPUD: [4, compare(false)],
  VPCMPQ: [8, compare(true)],
  VPCMPUQ: [8, compare(false)],
  VPCMPB: [1, compare(true)],
  VPCMPUB: [1, compare(false)],
  VPCMPW: [2, compare(true)],
  VPCMPUW: [2, compare(false)],
  ...Object.fromEntries(
    (["B", "W", "D", "Q"] as const).flatMap((suffix, i) => [
      [`VPTESTM${suffix}`, [1 << i, each((x, y) => ((x & y) !== 0n ? -1n : 0n))] as const],
      [`VPTESTNM${suffix}`, [1 << i, each((x, y) => ((x & y) === 0n ? -1n : 0n))] as const],
    ]),
  ),
  VPERMD: [4, byNumbers],
  VPERMQ: [8, byNumbers],
  VPERMPS: [4, byNumbers],
  VPERMPD: [8, byNumbers],
  VPERMW: [2, byNumbers],
  VPERMI2D: [4, ofTwo("dst")],
  VPERMI2Q: [8, ofTwo("dst")],
  VPERMI2PS: [4, ofTwo("dst")],
  VPERMI2PD: [8, ofTwo("dst")],
  VPERMI2W: [2, ofTwo("dst")],
  VPERMT2D: [4, ofTwo("first")],
  VPERMT2Q: [8, ofTwo("first")],
  VPERMT2PS: [4, ofTwo("first")],
  VPERMT2PD: [8, ofTwo("first")],
  VPERMT2W: [2, ofTwo("first")],
  VALIGND: [
    4,
    ({ first, second, imm }) => second.map((_, i) => [...second, ...first][i + (imm & (second.length - 1))] as bigint),
  ],
  VALIGNQ: [
    8,
    ({ first, second, imm }) => second.map((_, i) => [...second, ...first][i + (imm & (second.length - 1))] as bigint),
  ],
  VSHUFF32X4: [4, shuffleParts],
  VSHUFI32X4: [4, shuffleParts],
  VSHUFF64X2: [8, shuffleParts],
  VSHUFI64X2: [8, shuffleParts],
  VPCONFLICTD: [
    4,
    ({ second }) =>
      second.map((x, i) => second.slice(0, i).reduce((s, y, j) => (x === y ? s | (1n << BigInt(j)) : s), 0n)),
  ],
  VPCONFLICTQ: [
    8,
    ({ second }) =>
      second.map((x, i) => second.slice(0, i).reduce((s, y, j) => (x === y ? s | (1n << BigInt(j)) : s), 0n)),
  ],
  VPLZCNTD: [4, each((_x, y, b) => bitsOf(b) - (y === 0n ? 0n : BigInt(y.toString(2).length)))],
  VPLZCNTQ: [8, each((_x, y, b) => bitsOf(b) - (y === 0n ? 0n : BigInt(y.toString(2).length)))],
  ...Object.fromEntries(
    (["VBLENDMPS", "VBLENDMPD", "VPBLENDMD", "VPBLENDMQ", "VPBLENDMB", "VPBLENDMW"] as const).map((name, i) => [
      name,
      [[4, 8, 4, 8, 1, 2][i] as number, each((_x, y) => y)] as const,
    ]),
  ),
};

/** Repeated often enough, numbers and sources have equal elements, too. */
function inputsOf(source: () => Uint8Array, repeats: boolean): Uint8Array {
  const bytes = source();
  return repeats ? bytes.map((_, i) => bytes[i & 15] as number) : bytes;
}

function checkOwn(row: Row, bytes: number, reference: Reference, source: () => Uint8Array, masked: boolean): void {
  const form = row.evex;
  if (form === undefined) throw new Error(`${row.mnemonic} has no EVEX form`);
  const { length, kind } = form;
  const size = length / 8;
  const repeats = row.mnemonic.includes("CONFLICT");
  const [dst, first, second] = [source(), source(), inputsOf(source, repeats)];
  const imm = source()[0] as number;
  const bits = new DataView(source().buffer).getBigUint64(0);
  const zeroes = masked && kind !== "mask" && (imm & 1) === 1;
  // Where the destination is in vvvv the source is in rm.
  const [d, f, s] = form.destination === "vvvv" ? [18, 17, 19] : [17, 18, 19];
  m.zmm(d).set(dst);
  m.zmm(f).set(first);
  m.zmm(s).set(second);
  m.setMask(1, bits);
  const hex = encodeEvex(row, {
    reg: kind === "mask" ? 2 : 17,
    vvvv: 18,
    rm: 19,
    immediate: imm,
    mask: masked ? 1 : 0,
    zeroes,
  });
  m.run(hex);
  const label = `${row.mnemonic} ${row.encoding} ${hex}`;
  expect(m.fault, label).toBe("none");
  const inputs = {
    dst: split(dst, bytes, size),
    first: split(first, bytes, size),
    second: split(second, bytes, size),
    imm,
    bytes,
  };
  const fresh = reference(inputs);
  const isSet = (i: number): boolean => !masked || ((bits >> BigInt(i)) & 1n) === 1n;
  if (kind === "mask") {
    const expected = fresh.reduce((sum, value, i) => (value !== 0n && isSet(i) ? sum | (1n << BigInt(i)) : sum), 0n);
    expect(m.mask(2), label).toBe(expected);
    return;
  }
  const kept = form.kept === "vvvv" ? inputs.first : inputs.dst;
  const merged = fresh.map((value, i) => (isSet(i) ? value : zeroes ? 0n : (kept[i] as bigint)));
  expect(Buffer.from(m.zmm(d)).toString("hex"), label).toBe(Buffer.from(join(merged, bytes)).toString("hex"));
}

describe("instructions of AVX-512's own", () => {
  it.each([[false], [true]])("do what the manual says, masked: %s", (masked) => {
    const source = wideSource(masked ? 5 : 6);
    for (const [name, [bytes, reference]] of Object.entries(REFERENCES)) {
      const rows = evexRows.filter(
        ({ mnemonic, evex, operands }) =>
          mnemonic === name && (evex?.base === undefined || (operands.length === 3 && operands[2] !== "Ib")),
      );
      expect(rows.length, name).toBeGreaterThan(0);
      for (const row of rows) for (let i = 0; i < 12; i++) checkOwn(row, bytes, reference, source, masked);
    }
  });
});

const find = (name: string, length: number): Row =>
  evexRows.find(({ mnemonic, evex }) => mnemonic === name && evex?.length === length) as Row;

describe("compression and expansion", () => {
  const dwords = (register: number): number[] => [...new Uint32Array(m.zmm(register).slice().buffer)];
  const set = (register: number, values: readonly number[]): void => {
    m.zmm(register).set(new Uint8Array(Uint32Array.from(values).buffer));
  };
  const numbers = Array.from({ length: 16 }, (_, i) => i + 1);
  const hundreds = numbers.map((n) => n * 100);

  it("put chosen elements side by side", () => {
    set(1, numbers);
    set(2, hundreds);
    m.setMask(1, 0b1010_0000_0000_1001n);
    m.run(encodeEvex(find("VPCOMPRESSD", 512), { reg: 1, rm: 2, mask: 1 }));
    expect(dwords(2)).toEqual([1, 4, 14, 16, ...hundreds.slice(4)]);
    m.run(encodeEvex(find("VPCOMPRESSD", 256), { reg: 1, rm: 2, mask: 1, zeroes: true }));
    expect(dwords(2)).toEqual([1, 4, ...new Array(14).fill(0)]);
  });

  it("put the first elements where the mask is set", () => {
    set(1, numbers);
    set(2, hundreds);
    m.setMask(1, 0b1010n);
    m.run(encodeEvex(find("VPEXPANDD", 512), { reg: 2, rm: 1, mask: 1 }));
    expect(dwords(2)).toEqual([100, 1, 300, 2, ...hundreds.slice(4)]);
  });
});

describe("narrowing", () => {
  const words = (values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
  it("cuts or saturates", () => {
    const values = [0x1234, -1, 0x7fff_ffff, -0x8000_0000, 127, 128, -128, -129, 255, 256, 0, 1, 2, 3, 4, 5];
    const results = (["VPMOVDB", "VPMOVSDB", "VPMOVUSDB"] as const).map((name) => {
      m.zmm(1).set(words(values));
      m.zmm(2).fill(0xee);
      m.run(encodeEvex(find(name, 512), { reg: 1, rm: 2 }));
      return [...m.zmm(2)];
    });
    const above = new Array(48).fill(0);
    expect(results[0]).toEqual([0x34, 0xff, 0xff, 0, 127, 128, 128, 127, 255, 0, 0, 1, 2, 3, 4, 5, ...above]);
    expect(results[1]).toEqual([127, 255, 127, 128, 127, 127, 128, 128, 127, 127, 0, 1, 2, 3, 4, 5, ...above]);
    expect(results[2]).toEqual([255, 255, 255, 255, 127, 128, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, ...above]);
  });

  it("of parts of a register leaves zeros above the result", () => {
    m.zmm(1).set(words([1, 2, 3, 4]));
    m.zmm(2).fill(0xee);
    m.setMask(1, 0b0101n);
    m.run(encodeEvex(find("VPMOVDB", 128), { reg: 1, rm: 2, mask: 1 }));
    expect([...m.zmm(2)]).toEqual([1, 0xee, 3, 0xee, ...new Array(60).fill(0)]);
  });
});

describe("parts of vectors", () => {
  it("are taken out and put in", () => {
    m.zmm(1).set(Uint8Array.from({ length: 64 }, (_, i) => i));
    m.run(encodeEvex(find("VEXTRACTI32X4", 512), { reg: 1, rm: 2, immediate: 2 }));
    expect([...m.zmm(2)].slice(0, 17)).toEqual([...Array.from({ length: 16 }, (_, i) => 32 + i), 0]);
    m.run(encodeEvex(find("VEXTRACTF64X4", 512), { reg: 1, rm: 2, immediate: 1 }));
    expect([...m.zmm(2)].slice(0, 33)).toEqual([...Array.from({ length: 32 }, (_, i) => 32 + i), 0]);
    m.zmm(3).fill(0xaa);
    m.run(encodeEvex(find("VINSERTF32X4", 512), { reg: 4, vvvv: 1, rm: 3, immediate: 1 }));
    const whole = [...m.zmm(1)];
    expect([...m.zmm(4)]).toEqual([...whole.slice(0, 16), ...new Array(16).fill(0xaa), ...whole.slice(32)]);
    m.run(encodeEvex(find("VINSERTI64X4", 512), { reg: 4, vvvv: 1, rm: 3, immediate: 1 }));
    expect([...m.zmm(4)]).toEqual([...whole.slice(0, 32), ...new Array(32).fill(0xaa)]);
  });
});

describe("sums of absolute differences", () => {
  it("slide over shuffled dwords", () => {
    const source = wideSource(9);
    const [x, y] = [source(), source()];
    const imm = 0b10_01_11_00;
    m.zmm(1).set(x);
    m.zmm(2).set(y);
    m.run(encodeEvex(find("VDBPSADBW", 512), { reg: 3, vvvv: 1, rm: 2, immediate: imm }));
    const expected = new Uint16Array(32);
    for (let lane = 0; lane < 64; lane += 16) {
      const shuffled = Array.from(
        { length: 16 },
        (_, i) => y[lane + ((imm >> (2 * (i >> 2))) & 3) * 4 + (i & 3)] as number,
      );
      const sad = (a: number, b: number): number =>
        [0, 1, 2, 3].reduce((sum, i) => sum + Math.abs((x[lane + a + i] as number) - (shuffled[b + i] as number)), 0);
      for (let i = 0; i < 8; i++) {
        const half = i >> 2;
        expected[lane / 2 + i] = sad(half * 8 + ((i & 3) >> 1) * 4, half * 8 + (i & 3));
      }
    }
    expect([...new Uint16Array(m.zmm(3).slice().buffer)]).toEqual([...expected]);
  });
});

import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new InsnMachine(64);
const WIDTHS = [16, 32, 64] as const;
const PREFIX = { 16: "66", 32: "", 64: "48" } as const;
const EDGES = [0n, 1n, 2n, 7n, 10n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n];
const WIDE = [
  ...EDGES,
  0xffff_ffffn,
  0x1_0000_0001n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xfedc_ba98_7654_3210n,
  -1n,
];

const cut = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);
const signed = (value: bigint, width: number): bigint => BigInt.asIntN(width, value);
const BOTH = FLAG.CF | FLAG.OF;

describe.each(WIDTHS)("%i bits", (width) => {
  const n = BigInt(width);
  const low = (name: "rax" | "rdx"): bigint => cut(m.get(name), width);

  it("MUL and IMUL give the whole product, and CF = OF when its high half counts", () => {
    for (const x of WIDE)
      for (const y of WIDE) {
        m.set({ rax: x, rbx: y }).run(`${PREFIX[width]}f7e3`);
        const product = cut(x, width) * cut(y, width);
        expect([low("rax"), low("rdx")]).toEqual([cut(product, width), product >> n]);
        expect(m.flags & BOTH).toBe(product >> n === 0n ? 0 : BOTH);
        m.set({ rax: x, rbx: y }).run(`${PREFIX[width]}f7eb`);
        const signedProduct = signed(x, width) * signed(y, width);
        expect([low("rax"), low("rdx")]).toEqual([cut(signedProduct, width), cut(signedProduct >> n, width)]);
        const overflow = signed(signedProduct, width) === signedProduct ? 0 : BOTH;
        expect(m.flags & BOTH).toBe(overflow);
        m.set({ rax: x, rbx: y }).run(`${PREFIX[width]}0fafc3`);
        expect(low("rax")).toBe(cut(signedProduct, width));
        expect(m.flags & BOTH).toBe(overflow);
      }
  });

  it("DIV divides twice the width or raises #DE", () => {
    for (const high of WIDE)
      for (const divisor of WIDE) {
        const dividend = (cut(high, width) << n) | cut(0xfedc_ba98_7654_3210n, width);
        m.set({ rax: dividend, rdx: dividend >> n, rbx: divisor }).run(`${PREFIX[width]}f7f3`);
        const d = cut(divisor, width);
        if (d === 0n || (dividend / d) >> n !== 0n) expect(m.fault).toBe("#DE");
        else expect([m.fault, low("rax"), low("rdx")]).toEqual(["none", dividend / d, dividend % d]);
      }
  });

  it("IDIV rounds towards 0, the remainder having the dividend's sign, or raises #DE", () => {
    for (const high of [0n, -1n, 3n, -4n, 1n << (n - 2n), -(1n << (n - 2n)), -(1n << (n - 1n))])
      for (const lowHalf of [0n, 0x7654_3210_1234_5678n, 1n << (n - 1n), -1n])
        for (const divisor of WIDE) {
          const dividend = signed((high << n) | cut(lowHalf, width), 2 * width);
          m.set({ rax: dividend, rdx: dividend >> n, rbx: divisor }).run(`${PREFIX[width]}f7fb`);
          const d = signed(divisor, width);
          const what = `${dividend} / ${d}`;
          if (d === 0n || signed(dividend / d, width) !== dividend / d) expect(m.fault, what).toBe("#DE");
          else {
            const expected = ["none", cut(dividend / d, width), cut(dividend % d, width)];
            expect([m.fault, low("rax"), low("rdx")], what).toEqual(expected);
          }
        }
  });
});

it("#DE leaves the dividend as it was", () => {
  m.set({ rax: 5, rdx: 7, rbx: 7 }).run("48f7f3");
  expect([m.fault, m.get("rax"), m.get("rdx")]).toEqual(["#DE", 5n, 7n]);
});

it("bytes use AL and AH", () => {
  m.set({ rax: 0x1234_00fb, rbx: 0xfe }).run("f6e3");
  expect(m.get("rax")).toBe(0x1234_0000n | (0xfbn * 0xfen));
  m.set({ rax: 0x1234_ff85, rbx: 10 }).run("f6fb");
  expect(m.get("rax")).toBe(0x1234_0000n | (cut(-3n, 8) << 8n) | cut(-12n, 8));
});

it("IMUL by an immediate extends it by sign", () => {
  m.set({ rbx: 1000 }).run("486bc3ff");
  expect(signed(m.get("rax"), 64)).toBe(-1000n);
  m.set({ rbx: 3 }).run("4869c300000080");
  expect(signed(m.get("rax"), 64)).toBe(-3n * 0x8000_0000n);
});

import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const WIDTHS = [8, 16, 32, 64] as const;
type Width = (typeof WIDTHS)[number];
const PREFIX = { 8: "", 16: "66", 32: "", 64: "48" } as const;
const VALUES = [
  0n,
  1n,
  0x0fn,
  0x10n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  1n << 63n,
  (1n << 63n) - 1n,
  -1n,
];
const NAMES = ["ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"] as const;
const ALL = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;

const m = new InsnMachine(64);
const cut = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);
const signed = (value: bigint, width: number): bigint => BigInt.asIntN(width, value);
const hex = (byte: number): string => byte.toString(16).padStart(2, "0");
const flagIf = (condition: boolean, flag: number): number => (condition ? flag : 0);

/** SF ZF PF of a result. */
function resultFlags(x: bigint, width: number): number {
  const ones = cut(x, 8).toString(2).replaceAll("0", "").length;
  const sign = flagIf(x >> BigInt(width - 1) === 1n, FLAG.SF);
  return sign | flagIf(x === 0n, FLAG.ZF) | flagIf(ones % 2 === 0, FLAG.PF);
}

/** Result and flags from sums and differences of unbounded integers. */
function expected(name: (typeof NAMES)[number], width: Width, a: bigint, b: bigint, carryIn: bigint) {
  const [x, y] = [cut(a, width), cut(b, width)];
  if (name === "AND" || name === "OR" || name === "XOR") {
    const result = name === "AND" ? x & y : name === "OR" ? x | y : x ^ y;
    return { result, flags: resultFlags(result, width), mask: ALL & ~FLAG.AF };
  }
  const sign = name === "ADD" || name === "ADC" ? 1n : -1n;
  const carry = name === "ADC" || name === "SBB" ? carryIn : 0n;
  const exact = x + sign * (y + carry);
  const result = cut(exact, width);
  const exactSigned = signed(x, width) + sign * (signed(y, width) + carry);
  const nibbles = (x & 15n) + sign * ((y & 15n) + carry);
  const flags =
    resultFlags(result, width) |
    flagIf(exact !== result, FLAG.CF) |
    flagIf(exactSigned !== signed(result, width), FLAG.OF) |
    flagIf(nibbles < 0n || nibbles > 15n, FLAG.AF);
  return { result, flags, mask: ALL };
}

/** What a write of `width` bits makes of a register. */
const written = (before: bigint, width: Width, x: bigint): bigint =>
  width >= 32 ? x : (cut(before, 64) & ~((1n << BigInt(width)) - 1n)) | x;

describe.each(NAMES)("%s", (name) => {
  it.each(WIDTHS)("of %i bits", (width) => {
    const opcode = NAMES.indexOf(name) * 8 + (width === 8 ? 0 : 1);
    for (const a of VALUES)
      for (const b of VALUES)
        for (const carry of [0, FLAG.CF]) {
          m.set({ rax: a, rcx: b }).flags = carry;
          m.run(`${PREFIX[width]}${hex(opcode)}c8`);
          const { result, flags, mask } = expected(name, width, a, b, BigInt(carry));
          const what = `${a} and ${b}, carry ${carry}`;
          expect(m.get("rax"), what).toBe(name === "CMP" ? cut(a, 64) : written(a, width, result));
          expect(m.flags & mask, what).toBe(flags);
        }
  });
});

describe("one operand", () => {
  it.each(WIDTHS)("INC, DEC, NEG and NOT of %i bits", (width) => {
    const opcode = width === 8 ? ["fe", "f6"] : ["ff", "f7"];
    for (const a of VALUES)
      for (const carry of [0, FLAG.CF]) {
        const run = (code: string): number => {
          m.set({ rax: a }).flags = carry;
          m.run(`${PREFIX[width]}${code}`);
          return m.flags;
        };
        const inc = expected("ADD", width, a, 1n, 0n);
        expect(run(`${opcode[0]}c0`)).toBe((inc.flags & ~FLAG.CF) | carry);
        expect(m.get("rax")).toBe(written(a, width, inc.result));
        const dec = expected("SUB", width, a, 1n, 0n);
        expect(run(`${opcode[0]}c8`)).toBe((dec.flags & ~FLAG.CF) | carry);
        const neg = expected("SUB", width, 0n, a, 0n);
        expect(run(`${opcode[1]}d8`)).toBe(neg.flags);
        expect(m.get("rax")).toBe(written(a, width, neg.result));
        expect(run(`${opcode[1]}d0`)).toBe(carry);
        expect(m.get("rax")).toBe(written(a, width, cut(~a, width)));
      }
  });
});

describe("operands", () => {
  it("are AH CH DH BH without REX, and SPL BPL SIL DIL with it", () => {
    m.set({ rax: 0x1200, rsp: 0x34 }).run("00e4");
    expect([m.get("rax"), m.get("rsp")]).toEqual([0x2400n, 0x34n]);
    m.run("4000e4");
    expect([m.get("rax"), m.get("rsp")]).toEqual([0x2400n, 0x68n]);
  });

  it("may be memory over a page boundary", () => {
    const memory = new DataView(m.ram.buffer, m.ram.byteOffset);
    memory.setUint32(0x4ffe, 0xffff_ffff, true);
    m.set({ rbx: 0x5000, rcx: 2 }).run("014bfe");
    expect(memory.getUint32(0x4ffe, true)).toBe(1);
    expect(m.flags & FLAG.CF).toBe(FLAG.CF);
  });

  it("#UD for LOCK without a memory destination", () => {
    for (const code of ["f001c8", "f0034b02", "f0394b02"]) {
      m.run(code);
      expect(m.fault, code).toBe("#UD");
    }
  });

  it("are immediates extended by sign", () => {
    m.set({ rax: 0 }).run("4883c080");
    expect(signed(m.get("rax"), 64)).toBe(-128n);
    m.set({ rax: 0 }).run("480500000080");
    expect(signed(m.get("rax"), 64)).toBe(-0x8000_0000n);
  });
});

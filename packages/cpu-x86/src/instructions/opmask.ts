// Instructions on the mask registers of AVX-512. SDM vol. 2B, the instruction of each name.
//
// A suffix tells the width: B, W, D, Q. Instructions on 16 bits came with AVX-512F, most of those on 8 with DQ, the others with
// BW. Prefix and VEX.W tell the width, in one of two ways.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { FLAG } from "../state/bits.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";

type Width = "B" | "W" | "D" | "Q";
const WIDTHS: readonly Width[] = ["B", "W", "D", "Q"];
const FEATURE: Readonly<Record<Width, string>> = { B: "avx512dq", W: "avx512f", D: "avx512bw", Q: "avx512bw" };
/** Prefix and W of instructions on registers alone. */
const PREFIX: Readonly<Record<Width, readonly [string, string]>> = {
  B: ["66", "W0"],
  W: ["NP", "W0"],
  D: ["66", "W1"],
  Q: ["NP", "W1"],
};

const options = (cpuid: string): RowOptions => ({ fpu: "avx", cpuid, protectedOnly: true, wideVectors: true });

const code = (letter: string, width: Width): OperandCode => `${letter}${width.toLowerCase()}` as OperandCode;

/** A result computed from both sources. */
const binary =
  (compute: (b: X86Builder, x: Val, y: Val) => Val): Semantics =>
  (b, dst, x, y) =>
    dst!.store(compute(b, x!.load(), y!.load()));

const not: Semantics = (b, dst, src) => dst!.store(b.not(src!.load()));

const move: Semantics = (_b, dst, src) => dst!.store(src!.load());

/** The low half of the second source below that of the first. */
const unpack: Semantics = (b, dst, high, low) => {
  const { width } = high!;
  dst!.store(b.or(b.shl(high!.load(), b.const(width)), low!.load()));
};

/** ZF: `zero` is 0; CF: `carry` is; the others are cleared. */
function setFlags(b: X86Builder, zero: Val, carry: Val): void {
  const flag = (value: Val, bit: number): Val => b.select(b.eqz(value), b.const(bit), b.const(0));
  b.flags.load(b.or(flag(zero, FLAG.ZF), flag(carry, FLAG.CF)));
}

/** CF: all bits are set. */
const orTest: Semantics = (b, first, second) => {
  const either = b.or(first!.load(), second!.load());
  setFlags(b, either, b.zext(b.not(either), first!.width));
};

/** CF: what is set in the second is set in the first. */
const test: Semantics = (b, first, second) => {
  const [x, y] = [first!.load(), second!.load()];
  setFlags(b, b.and(x, y), b.and(b.not(x), y));
};

/** Counts of the width and more shift everything out. */
const shift =
  (direction: "shl" | "shr"): Semantics =>
  (b, dst, src, immediate) => {
    const count = b.zext(immediate!.load(), 8);
    const inside = b.ltU(count, b.const((dst as Operand).width));
    dst!.store(b.select(inside, b[direction](src!.load(), count), b.const(0)));
  };

/** On registers of each width alone. @param length VEX.L; @param letters operand codes without the width. */
const registers =
  (length: "L0" | "L1", letters: readonly string[]) =>
  (
    opcode: string,
    name: string,
    semantics: Semantics,
    feature: (width: Width) => string = (width) => FEATURE[width],
  ): Row[] =>
    WIDTHS.map((width) => {
      const [prefix, w] = PREFIX[width];
      const operands = letters.map((letter) => code(letter, width));
      return row(
        `VEX.${length}.${prefix}.0F.${w} ${opcode} /r`,
        `${name}${width}`,
        operands,
        semantics,
        options(feature(width)),
      );
    });

const twos = registers("L0", ["K", "F"]);
const threes = registers("L1", ["K", "T", "F"]);

/** W does not tell the width from memory and registers apart: `wide` of each pair is D or Q. */
function shifts(opcode: number, name: string, direction: "shl" | "shr"): Row[] {
  const one = (width: Width, at: number, w: string): Row =>
    row(
      `VEX.L0.66.0F3A.${w} ${at.toString(16)} /r ib`,
      `${name}${width}`,
      [code("K", width), code("F", width), "Ib"],
      shift(direction),
      options(FEATURE[width]),
    );
  return [one("B", opcode, "W0"), one("W", opcode, "W1"), one("D", opcode + 1, "W0"), one("Q", opcode + 1, "W1")];
}

/** To and from mask registers, memory and general registers. */
function moves(width: Width): Row[] {
  const [prefix, w] = PREFIX[width];
  const general = { B: "66.0F.W0", W: "NP.0F.W0", D: "F2.0F.W0", Q: "F2.0F.W1" }[width];
  const sized: RowOptions = { ...options(FEATURE[width]), ...((width === "D" || width === "Q") && { sizedByW: true }) };
  const source = width === "Q" ? "Rq" : "Rd";
  const destination = width === "Q" ? "Gq" : "Gd";
  const name = `KMOV${width}`;
  return [
    row(`VEX.L0.${prefix}.0F.${w} 90 /r`, name, [code("K", width), code("F", width)], move, options(FEATURE[width])),
    row(`VEX.L0.${prefix}.0F.${w} 90 /r`, name, [code("K", width), code("M", width)], move, options(FEATURE[width])),
    row(`VEX.L0.${prefix}.0F.${w} 91 /r`, name, [code("M", width), code("K", width)], move, options(FEATURE[width])),
    row(`VEX.L0.${general} 92 /r`, name, [code("K", width), source], move, sized),
    row(`VEX.L0.${general} 93 /r`, name, [destination, code("F", width)], move, sized),
  ];
}

const onlyDq = (width: Width): string => (width === "W" ? "avx512dq" : FEATURE[width]);

export const rows: readonly Row[] = [
  ...WIDTHS.flatMap(moves),
  ...threes(
    "41",
    "KAND",
    binary((b, x, y) => b.and(x, y)),
  ),
  ...threes(
    "42",
    "KANDN",
    binary((b, x, y) => b.and(b.not(x), y)),
  ),
  ...threes(
    "45",
    "KOR",
    binary((b, x, y) => b.or(x, y)),
  ),
  ...threes(
    "46",
    "KXNOR",
    binary((b, x, y) => b.not(b.xor(x, y))),
  ),
  ...threes(
    "47",
    "KXOR",
    binary((b, x, y) => b.xor(x, y)),
  ),
  ...threes(
    "4A",
    "KADD",
    binary((b, x, y) => b.add(x, y)),
    onlyDq,
  ),
  ...twos("44", "KNOT", not),
  ...twos("98", "KORTEST", orTest),
  ...twos("99", "KTEST", test, onlyDq),
  row("VEX.L1.66.0F.W0 4B /r", "KUNPCKBW", ["Kw", "Tb", "Fb"], unpack, options("avx512f")),
  row("VEX.L1.NP.0F.W0 4B /r", "KUNPCKWD", ["Kd", "Tw", "Fw"], unpack, options("avx512bw")),
  row("VEX.L1.NP.0F.W1 4B /r", "KUNPCKDQ", ["Kq", "Td", "Fd"], unpack, options("avx512bw")),
  ...shifts(0x30, "KSHIFTR", "shr"),
  ...shifts(0x32, "KSHIFTL", "shl"),
];

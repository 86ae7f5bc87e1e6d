// ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";

type Compute = (b: X86Builder, x: Val, y: Val) => Val;

/** DEST <- DEST op SRC; flags by `kind`. Compare-like ones leave DEST alone. */
const arithmetic =
  (kind: "add" | "addWithCarry" | "sub" | "subWithBorrow" | "logic", compute: Compute, writes = true): Semantics =>
  (b, dst, src) => {
    const x = writes ? dst!.modify() : dst!.load();
    const y = src!.width < dst!.width ? b.zext(b.sext(src!.load(), src!.width), dst!.width) : src!.load();
    const result = compute(b, x, y);
    if (writes) dst!.store(result);
    if (kind === "logic") b.flags.logic(dst!.width, result);
    else b.flags[kind](dst!.width, x, y, result);
  };
const carryIn = (b: X86Builder): Val => b.bool(b.flags.carry());

const add = arithmetic("add", (b, x, y) => b.add(x, y));
const or = arithmetic("logic", (b, x, y) => b.or(x, y));
const adc = arithmetic("addWithCarry", (b, x, y) => b.add(b.add(x, y), carryIn(b)));
const sbb = arithmetic("subWithBorrow", (b, x, y) => b.sub(b.sub(x, y), carryIn(b)));
const and = arithmetic("logic", (b, x, y) => b.and(x, y));
const sub = arithmetic("sub", (b, x, y) => b.sub(x, y));
const xor = arithmetic("logic", (b, x, y) => b.xor(x, y));
const cmp = arithmetic("sub", (b, x, y) => b.sub(x, y), false);
const test = arithmetic("logic", (b, x, y) => b.and(x, y), false);

/** The eight rows every two-operand ALU instruction has, from opcode `base` and group digit base / 8. */
function family(base: number, mnemonic: string, semantics: Semantics): Row[] {
  const opcode = (offset: number): string => (base + offset).toString(16).padStart(2, "0").toUpperCase();
  const digit = base / 8;
  const lock: RowOptions = mnemonic === "CMP" ? {} : { lock: true };
  return [
    row(`${opcode(0)} /r`, mnemonic, ["Eb", "Gb"], semantics, lock),
    row(`${opcode(1)} /r`, mnemonic, ["Ev", "Gv"], semantics, lock),
    row(`${opcode(2)} /r`, mnemonic, ["Gb", "Eb"], semantics),
    row(`${opcode(3)} /r`, mnemonic, ["Gv", "Ev"], semantics),
    row(`${opcode(4)} ib`, mnemonic, ["AL", "Ib"], semantics),
    row(`${opcode(5)} iz`, mnemonic, ["rAX", "Iz"], semantics),
    row(`80 /${digit} ib`, mnemonic, ["Eb", "Ib"], semantics, lock),
    row(`82 /${digit} ib`, mnemonic, ["Eb", "Ib"], semantics, { ...lock, i64: true }),
    row(`81 /${digit} iz`, mnemonic, ["Ev", "Iz"], semantics, lock),
    row(`83 /${digit} ib`, mnemonic, ["Ev", "Ib"], semantics, lock),
  ];
}

/** DEST <- DEST + 1 or - 1; CF is kept. */
const step =
  (direction: 1 | -1): Semantics =>
  (b, dst) => {
    const x = dst!.modify();
    const result = b.add(x, b.const(direction));
    dst!.store(result);
    b.flags.step(dst!.width, x, result, direction === 1);
  };

/** DEST <- 0 - DEST; CF tells whether DEST was not 0. */
const neg: Semantics = (b, dst) => {
  const x = dst!.modify();
  const zero = b.const(0);
  const result = b.sub(zero, x);
  dst!.store(result);
  b.flags.sub(dst!.width, zero, x, result);
};

/** DEST <- NOT DEST; no flags. */
const not: Semantics = (b, dst) => dst!.store(b.not(dst!.modify()));

const unary = (encodings: readonly [string, OperandCode][], mnemonic: string, semantics: Semantics): Row[] =>
  encodings.map(([encoding, operand]) => row(encoding, mnemonic, [operand], semantics, { lock: true }));

export const rows: readonly Row[] = [
  ...family(0x00, "ADD", add),
  ...family(0x08, "OR", or),
  ...family(0x10, "ADC", adc),
  ...family(0x18, "SBB", sbb),
  ...family(0x20, "AND", and),
  ...family(0x28, "SUB", sub),
  ...family(0x30, "XOR", xor),
  ...family(0x38, "CMP", cmp),
  row("84 /r", "TEST", ["Eb", "Gb"], test),
  row("85 /r", "TEST", ["Ev", "Gv"], test),
  row("A8 ib", "TEST", ["AL", "Ib"], test),
  row("A9 iz", "TEST", ["rAX", "Iz"], test),
  row("F6 /0 ib", "TEST", ["Eb", "Ib"], test),
  row("F6 /1 ib", "TEST", ["Eb", "Ib"], test),
  row("F7 /0 iz", "TEST", ["Ev", "Iz"], test),
  row("F7 /1 iz", "TEST", ["Ev", "Iz"], test),
  row("40 +r", "INC", ["Zv"], step(1), { i64: true }),
  row("48 +r", "DEC", ["Zv"], step(-1), { i64: true }),
  ...unary(
    [
      ["FE /0", "Eb"],
      ["FF /0", "Ev"],
    ],
    "INC",
    step(1),
  ),
  ...unary(
    [
      ["FE /1", "Eb"],
      ["FF /1", "Ev"],
    ],
    "DEC",
    step(-1),
  ),
  ...unary(
    [
      ["F6 /2", "Eb"],
      ["F7 /2", "Ev"],
    ],
    "NOT",
    not,
  ),
  ...unary(
    [
      ["F6 /3", "Eb"],
      ["F7 /3", "Ev"],
    ],
    "NEG",
    neg,
  ),
];

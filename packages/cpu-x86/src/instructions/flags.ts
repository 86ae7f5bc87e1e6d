// CLC STC CMC CLD STD LAHF SAHF SETcc SALC. SDM vol. 2, the instruction of each name.
import { FLAG } from "../state/bits.ts";
import { GPR } from "../state/layout.ts";
import { CONDITION_NAMES } from "./condition-names.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** What LAHF and SAHF move: SF ZF AF PF CF. */
const LOW_FLAGS = FLAG.SF | FLAG.ZF | FLAG.AF | FLAG.PF | FLAG.CF;
/** Bit 1 of EFLAGS always reads as 1. */
const FIXED_FLAG = 2;
/** Byte offset of AH in the general register file. */
const AH = GPR.rax * 8 + 1;

const setDirection =
  (backwards: boolean): Semantics =>
  (b) => {
    const others = b.and(b.state("rflags"), b.const(~FLAG.DF));
    b.setState("rflags", backwards ? b.or(others, b.const(FLAG.DF)) : others);
  };

const lahf: Semantics = (b) => {
  const flags = b.and(b.flags.image(), b.const(LOW_FLAGS));
  b.setGpr(8, b.const32(AH), b.or(flags, b.const(FIXED_FLAG)));
};

/** OF stays. */
const sahf: Semantics = (b) => {
  const low = b.and(b.gpr(8, b.const32(AH)), b.const(LOW_FLAGS));
  const overflow = b.and(b.flags.image(), b.const(FLAG.OF));
  b.flags.load(b.or(low, overflow));
};

/** AL <- CF ? FFh : 0. In no manual of Intel's; the opcode map of every processor has it. */
const salc: Semantics = (b) => b.setReg(8, "rax", b.sub(b.const(0), b.bool(b.flags.carry())));

const setIf =
  (condition: number): Semantics =>
  (b, dst) =>
    dst!.store(b.bool(b.condition(condition)));

export const rows: readonly Row[] = [
  row("F5", "CMC", [], (b) => b.flags.setCarry(b.isFalse(b.flags.carry()))),
  row("F8", "CLC", [], (b) => b.flags.setCarry(b.const32(0))),
  row("F9", "STC", [], (b) => b.flags.setCarry(b.const32(1))),
  row("FC", "CLD", [], setDirection(false)),
  row("FD", "STD", [], setDirection(true)),
  row("D6", "SALC", [], salc, { i64: true }),
  row("9E", "SAHF", [], sahf),
  row("9F", "LAHF", [], lahf),
  ...CONDITION_NAMES.map((name, i) => row(`0F ${(0x90 + i).toString(16)} /r`, `SET${name}`, ["Eb"], setIf(i))),
];

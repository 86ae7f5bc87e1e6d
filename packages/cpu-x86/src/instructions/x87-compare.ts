// FCOM FUCOM FICOM FTST FXAM, and FCOMI FUCOMI that set EFLAGS. SDM vol. 2A, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { compare, examine, RELATION, UNMASKED } from "../softfloat/compare.ts";
import { bitsOf, loadStatus, together } from "../softfloat/exceptions.ts";
import { loadExtended, storeZero } from "../softfloat/extended.ts";
import { OPERAND_SLOT } from "../softfloat/slots.ts";
import { FSW } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { type MemoryFormat, widen } from "./x87-operand.ts";
import {
  addressOf,
  arePresent,
  note,
  popTimes,
  setStatus,
  slotOf,
  slotOfRm,
  trackInstruction,
  trackOperand,
  UNDERFLOW,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };
const CODES = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;

/** Where a relation goes: the condition codes, or ZF, PF and CF. */
type Sink = (b: X86Builder, relation: Val) => void;

const toCodes: Sink = (b, relation) =>
  setStatus(b, together(b, bitsOf(b, loadStatus(b), ~CODES), bitsOf(b, relation, CODES)));

/** C3, C2 and C0 lie as ZF, PF and CF do in the upper byte. */
const toFlags: Sink = (b, relation) =>
  b.flags.comparison(b.bool(b.op("i32.shr_u", bitsOf(b, relation, CODES), b.const32(8))));

/**
 * Compares if the registers hold something, else as if with a NaN and a stack underflow. An unmasked exception keeps
 * the operands on the stack, but the relation goes where it belongs all the same.
 */
function comparison(b: X86Builder, needed: readonly Val[], compute: () => Val, sink: Sink, pops: 0 | 1 | 2): void {
  const relation = b.variable(b.const32(RELATION.unordered));
  b.when(
    arePresent(b, ...needed),
    () => b.set(relation, compute()),
    () => {
      const unmasked = b.select(note(b, b.const32(UNDERFLOW)), b.const32(0), b.const32(UNMASKED));
      b.set(relation, together(b, b.const32(RELATION.unordered), unmasked));
    },
  );
  sink(b, b.get(relation));
  if (pops > 0) b.when(b.isFalse(bitsOf(b, b.get(relation), UNMASKED)), () => popTimes(b, pops));
}

const withMemory =
  (format: MemoryFormat, pops: 0 | 1): Semantics =>
  (b, src) => {
    const bits = src!.load();
    trackOperand(b, src!);
    const slot = slotOf(b, 0);
    const operand = b.const32(OPERAND_SLOT);
    const compute = (): Val => {
      const extra = widen(b, format, src!.width, bits, operand);
      return callSubroutine(b, compare, addressOf(b, slot), operand, extra, b.const32(0));
    };
    comparison(b, [slot], compute, toCodes, pops);
  };

/** @param quiet quiet NaNs are no invalid operation: the FUCOM family. */
const withRegister =
  (quiet: 0 | 1, sink: Sink, pops: 0 | 1 | 2): Semantics =>
  (b) => {
    trackInstruction(b);
    const [top, other] = [slotOf(b, 0), slotOfRm(b)];
    const args = [addressOf(b, top), addressOf(b, other), b.const32(0), b.const32(quiet)];
    const compute = (): Val => {
      // FCOMI and FUCOMI do not touch the condition codes.
      const c1 = bitsOf(b, loadStatus(b), FSW.C1);
      const relation = callSubroutine(b, compare, ...args);
      if (sink === toFlags) setStatus(b, together(b, loadStatus(b), c1));
      return relation;
    };
    comparison(b, [top, other], compute, sink, pops);
  };

const ftst: Semantics = (b) => {
  trackInstruction(b);
  const slot = slotOf(b, 0);
  const compute = (): Val => {
    storeZero(b, b.const32(OPERAND_SLOT), b.const(0));
    return callSubroutine(b, compare, addressOf(b, slot), b.const32(OPERAND_SLOT), b.const32(0), b.const32(0));
  };
  comparison(b, [slot], compute, toCodes, 0);
};

const fxam: Semantics = (b) => {
  trackInstruction(b);
  const slot = slotOf(b, 0);
  const empty = b.isFalse(arePresent(b, slot));
  toCodes(b, examine(b, loadExtended(b, addressOf(b, slot)), empty));
};

const memoryRows = (digit: 2 | 3, suffix: string): Row[] =>
  (
    [
      ["D8", "FCOM", "Md", "float"],
      ["DC", "FCOM", "Mq", "float"],
      ["DA", "FICOM", "Md", "integer"],
      ["DE", "FICOM", "Mw", "integer"],
    ] as readonly [string, string, OperandCode, MemoryFormat][]
  ).map(([opcode, name, code, format]) =>
    row(`${opcode} /${digit}`, `${name}${suffix}`, [code], withMemory(format, digit === 2 ? 0 : 1), X87),
  );

const registerRow = (encoding: string, name: string, semantics: Semantics, cpuid = "fpu"): Row =>
  row(encoding, name, encoding.endsWith("+i") ? ["ST0", "STi"] : [], semantics, { ...X87, cpuid });

export const rows: readonly Row[] = [
  ...memoryRows(2, ""),
  ...memoryRows(3, "P"),
  registerRow("D8 D0+i", "FCOM", withRegister(0, toCodes, 0)),
  registerRow("DC D0+i", "FCOM", withRegister(0, toCodes, 0)),
  registerRow("D8 D8+i", "FCOMP", withRegister(0, toCodes, 1)),
  registerRow("DC D8+i", "FCOMP", withRegister(0, toCodes, 1)),
  registerRow("DE D0+i", "FCOMP", withRegister(0, toCodes, 1)),
  registerRow("DE D9", "FCOMPP", withRegister(0, toCodes, 2)),
  registerRow("DD E0+i", "FUCOM", withRegister(1, toCodes, 0)),
  registerRow("DD E8+i", "FUCOMP", withRegister(1, toCodes, 1)),
  registerRow("DA E9", "FUCOMPP", withRegister(1, toCodes, 2)),
  registerRow("DB F0+i", "FCOMI", withRegister(0, toFlags, 0), "cmov"),
  registerRow("DF F0+i", "FCOMIP", withRegister(0, toFlags, 1), "cmov"),
  registerRow("DB E8+i", "FUCOMI", withRegister(1, toFlags, 0), "cmov"),
  registerRow("DF E8+i", "FUCOMIP", withRegister(1, toFlags, 1), "cmov"),
  row("D9 E4", "FTST", [], ftst, X87),
  row("D9 E5", "FXAM", [], fxam, X87),
];

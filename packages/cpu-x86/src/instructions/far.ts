// Far JMP, CALL and RET, interrupts and IRET, LDS and its relatives. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { SEGMENT } from "../state/layout.ts";
import { returnFromInterrupt } from "./interrupt-return.ts";
import { type Row, row, type Semantics } from "./row.ts";

const opsize = (b: X86Builder): Val => b.const(b.shape.opsize);

/** A far pointer in the instruction: the offset below, the selector in the high half. */
const immediatePointer = (b: X86Builder): { selector: Val; offset: Val } => ({
  selector: b.shr(b.fields.wideImmediate(), b.const(32)),
  offset: b.zext(b.fields.immediate(), 32),
});

/** A far pointer in memory: the offset first, at the operand size, then the selector. */
function memoryPointer(b: X86Builder, pointer: Operand): { selector: Val; offset: Val } {
  const { opsize: width } = b.shape;
  b.noteOperandAccess(width / 8 + 2, false);
  const address = pointer.address();
  const offset = b.guestLoad(width, address);
  return { selector: b.guestLoad(16, b.add(address, b.const(width / 8))), offset };
}

const transferImmediate =
  (helper: "jumpFar" | "callFar"): Semantics =>
  (b) => {
    const { selector, offset } = immediatePointer(b);
    b.helper(helper, selector, offset, opsize(b));
  };

const transferMemory =
  (helper: "jumpFar" | "callFar"): Semantics =>
  (b, pointer) => {
    const { selector, offset } = memoryPointer(b, pointer!);
    b.helper(helper, selector, offset, opsize(b));
  };

const loadPointer =
  (segment: number): Semantics =>
  (b, dst, pointer) => {
    const { selector, offset } = memoryPointer(b, pointer!);
    b.helper("loadFarPointer", b.const32(segment), selector, dst!.register(), offset, opsize(b));
  };

const FAR = { flow: "jump", opsize: true } as const;

export const rows: readonly Row[] = [
  row("EA", "JMP far", ["Ap"], transferImmediate("jumpFar"), { ...FAR, i64: true }),
  row("9A", "CALL far", ["Ap"], transferImmediate("callFar"), { ...FAR, i64: true }),
  row("FF /5", "JMP far", ["Mp"], transferMemory("jumpFar"), FAR),
  row("FF /3", "CALL far", ["Mp"], transferMemory("callFar"), FAR),
  row("CB", "RET far", [], (b) => b.helper("returnFar", b.const(0), opsize(b)), FAR),
  row("CA iw", "RET far", ["Iw"], (b, bytes) => b.helper("returnFar", bytes!.load(), opsize(b)), FAR),
  row("CF", "IRET", [], returnFromInterrupt, FAR),
  row("CC", "INT3", [], (b) => b.helper("breakpoint"), { flow: "jump" }),
  row("CD ib", "INT", ["Ib"], (b, vector) => b.helper("softwareInterrupt", vector!.load()), { flow: "jump" }),
  row("CE", "INTO", [], (b) => b.helper("overflow"), { i64: true }),
  row("F1", "INT1", [], (b) => b.helper("debugTrap"), { flow: "jump" }),
  row("C4 /r", "LES", ["Gv", "Mp"], loadPointer(SEGMENT.es), { i64: true }),
  row("C5 /r", "LDS", ["Gv", "Mp"], loadPointer(SEGMENT.ds), { i64: true }),
  row("0F B2 /r", "LSS", ["Gv", "Mp"], loadPointer(SEGMENT.ss)),
  row("0F B4 /r", "LFS", ["Gv", "Mp"], loadPointer(SEGMENT.fs)),
  row("0F B5 /r", "LGS", ["Gv", "Mp"], loadPointer(SEGMENT.gs)),
];

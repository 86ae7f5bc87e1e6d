import type { IrBuilder, Node } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";
import { CR4 } from "../state/bits.ts";
import { type InsnFields, recordFields } from "./fields.ts";
import { makeOperand, REG_LETTERS } from "./operands.ts";
import type { Shape } from "./shape.ts";
import { X86Builder, type X86Exit } from "./x86-builder.ts";

/** The IR of the interpreter's handler for all instructions of a shape. */
export function emitHandler(shape: Shape): readonly Node[] {
  const b = new X86Builder(shape, recordFields);
  runSemantics(b);
  if (shape.row.flow === "branch") countFallThrough(b);
  const nodes = b.take();
  refuseSharedPlaces(shape, nodes);
  return nodes;
}

/** What a record counts of jumps stands in places of other fields: who counts there must not have those. */
function refuseSharedPlaces(shape: Shape, nodes: readonly Node[]): void {
  const { flow, operands } = shape.row;
  const notesTarget = leavesBy("indirect", nodes);
  const hasReg = operands.some((code) => REG_LETTERS.includes(code[0] as string));
  if ((notesTarget && (hasReg || flow === undefined)) || (flow === "branch" && shape.form !== "reg"))
    throw new Error(`${describe(shape)}: a field of its record is counted in`);
}

function leavesBy(exit: X86Exit, nodes: readonly Node[]): boolean {
  return nodes.some((node) => {
    if (node.kind === "exit") return node.op === exit;
    if (node.kind === "if") return leavesBy(exit, node.body) || leavesBy(exit, node.otherwise);
    return node.kind === "loop" && leavesBy(exit, node.body);
  });
}

/** The translator takes along only what is reached often enough; targets are counted where they are entered. */
function countFallThrough(b: X86Builder): void {
  const record = b.fields.record();
  const count = b.op("i32.add", b.load("i32.load", record, RECORD.passed), b.const32(1));
  b.store("i32.store", record, RECORD.passed, count);
}

/** What an instruction does with its memory operand; found by asking its semantics. */
export function operandAccessOf(shape: Shape, fields: (b: IrBuilder) => InsnFields): { bytes: number; write: boolean } {
  const b = new X86Builder(shape, fields);
  runSemantics(b);
  return b.operandAccess;
}

/** Whether a row with VEX writes a vector register in its register or memory form, apart from what helpers write. */
export function writesVectorRegister(shape: Shape, fields: (b: IrBuilder) => InsnFields): boolean {
  const b = new X86Builder(shape, fields);
  runSemantics(b);
  return b.writesVectors;
}

const describe = ({ row, opsize, form, asize, stack, rep }: Shape): string =>
  `${row.mnemonic} ${row.operands.join()} [${row.encoding}] ${opsize} ${form} ${asize} ${stack} ${rep}`;

/** Checks that stand in the row, then the semantics. */
export function runSemantics(b: X86Builder): void {
  const { shape } = b;
  const { row } = shape;
  b.beginInsn(() => describe(shape));
  if (row.osxsave) b.raiseIf(b.eqz(b.and(b.state("cr4"), b.const(CR4.OSXSAVE))), "UD");
  if (row.cpl0) b.raiseIf(b.ne(b.state("cpl"), b.const(0)), "GP", b.const(0));
  if (row.fpu !== undefined) b.checkUnit(row.fpu);
  row.semantics(b, ...row.operands.map((code) => makeOperand(b, code)));
}

import type { IrBuilder, Node } from "@tsvm/tcg";
import type { InsnFields } from "./fields.ts";
import { makeOperand } from "./operands.ts";
import type { Shape } from "./shape.ts";
import { X86Builder } from "./x86-builder.ts";

/** The IR of one instruction of a shape, with its fields from wherever `fields` takes them. */
export function emitInsn(shape: Shape, fields: (b: IrBuilder) => InsnFields): readonly Node[] {
  const b = new X86Builder(shape, fields);
  runSemantics(b);
  return b.take();
}

/** What an instruction does with its memory operand; found by asking its semantics. */
export function operandAccessOf(shape: Shape, fields: (b: IrBuilder) => InsnFields): { bytes: number; write: boolean } {
  const b = new X86Builder(shape, fields);
  runSemantics(b);
  return b.operandAccess;
}

const describe = ({ row, opsize, form, asize, stack, rep }: Shape): string =>
  `${row.mnemonic} ${row.operands.join()} [${row.encoding}] ${opsize} ${form} ${asize} ${stack} ${rep}`;

/** Checks that stand in the row, then the semantics. */
export function runSemantics(b: X86Builder): void {
  const { shape } = b;
  const { row } = shape;
  b.beginInsn(() => describe(shape));
  if (row.cpl0) b.raiseIf(b.ne(b.state("cpl"), b.const(0)), "GP", b.const(0));
  if (row.fpu !== undefined) b.checkUnit(row.fpu);
  row.semantics(b, ...row.operands.map((code) => makeOperand(b, code)));
}

import type { IrBuilder, Node, Val } from "@tsvm/tcg";
import type { FpuUse } from "../instructions/row.ts";
import { FSW } from "../softfloat/status-word.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { XSTATE } from "../state/xstate.ts";
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

/** Checks that stand in the row, then the semantics. */
function runSemantics(b: X86Builder): void {
  const { row, opsize, form, asize, stack, rep } = b.shape;
  b.beginInsn(`${row.mnemonic} ${row.operands.join()} [${row.encoding}] ${opsize} ${form} ${asize} ${stack} ${rep}`);
  if (row.cpl0) b.raiseIf(b.ne(b.state("cpl"), b.const(0)), "GP", b.const(0));
  if (row.fpu !== undefined) checkFpu(b, row.fpu);
  row.semantics(b, ...row.operands.map((code) => makeOperand(b, code)));
}

/** SDM vol. 3A, "Emulation of and Support for the x87 FPU", and vol. 2A, "Exception Conditions" of SSE instructions. */
function checkFpu(b: X86Builder, unit: FpuUse): void {
  const cr0 = b.state("cr0");
  const has = (mask: number) => b.ne(b.and(cr0, b.const(mask)), b.const(0));
  switch (unit) {
    case "wait":
      b.raiseIf(b.eq(b.and(cr0, b.const(CR0.MP | CR0.TS)), b.const(CR0.MP | CR0.TS)), "NM");
      break;
    case "x87":
    case "x87-no-wait":
      b.raiseIf(has(CR0.EM | CR0.TS), "NM");
      break;
    case "mmx":
    case "sse":
    case "mmx-sse":
      b.raiseIf(has(CR0.EM), "UD");
      if (unit !== "mmx") b.raiseIf(b.eqz(b.and(b.state("cr4"), b.const(CR4.OSFXSR))), "UD");
      b.raiseIf(has(CR0.TS), "NM");
      break;
    case "avx":
      checkAvx(b, cr0);
  }
  if (unit !== "sse" && unit !== "avx" && unit !== "x87-no-wait") checkPending(b, cr0);
}

/** The operating system has AVX state enabled: #UD; CR0.TS: #NM. One branch as long as neither happens. */
function checkAvx(b: X86Builder, cr0: Val): void {
  const enabled = b.and(b.xor(b.state("xcr0"), b.const(-1)), b.const(XSTATE.SSE | XSTATE.AVX));
  const saving = b.and(b.xor(b.state("cr4"), b.const(-1)), b.const(CR4.OSXSAVE));
  const switched = b.and(cr0, b.const(CR0.TS));
  b.when(b.ne(b.or(b.or(enabled, saving), switched), b.const(0)), () => {
    b.raiseIf(b.ne(b.or(enabled, saving), b.const(0)), "UD");
    b.raise("NM");
  });
}

/**
 * #MF if an earlier instruction left an unmasked exception (FSW.ES). Without CR0.NE the FERR# pin would ask for an
 * interrupt instead, which no machine here has wired. SDM vol. 1, "Software Exception Handling".
 */
function checkPending(b: X86Builder, cr0: Val): void {
  const pending = b.ne(b.and(b.state("fpuStatus"), b.const(FSW.ES)), b.const(0));
  b.when(pending, () => b.raiseIf(b.ne(b.and(cr0, b.const(CR0.NE)), b.const(0)), "MF"));
}

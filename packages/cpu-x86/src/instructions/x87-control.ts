// x87 control: FNINIT FNCLEX FLDCW FNSTCW FNSTSW FNSTENV FLDENV FNSAVE FRSTOR FWAIT FNOP. SDM vol. 2A, the instruction
// of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { EXCEPTIONS, FCW, FSW } from "../softfloat/status-word.ts";
import { environmentBytes, saveBytes } from "../system/x87-environment.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";

const WAITING: RowOptions = { fpu: "x87", cpuid: "fpu" };
const NOT_WAITING: RowOptions = { fpu: "x87-no-wait", cpuid: "fpu" };

const nothing: Semantics = () => {};

const fninit: Semantics = (b) => {
  b.setState("fpuControl", b.const(FCW.INITIAL));
  for (const field of ["fpuStatus", "fpuTag", "fpuOpcode", "fpuIp", "fpuDp", "fpuCs", "fpuDs"] as const)
    b.setState(field, b.const(0));
};

/** The status word with ES and B by the exceptions that the control word does not mask. */
function summarized(b: X86Builder, status: Val, control: Val): Val {
  const plain = b.and(status, b.const(~(FSW.ES | FSW.B)));
  const unmasked = b.and(b.and(plain, b.not(control)), b.const(EXCEPTIONS));
  return b.or(plain, b.select(b.eqz(unmasked), b.const(0), b.const(FSW.ES | FSW.B)));
}

const fnclex: Semantics = (b) => {
  const kept = ~(EXCEPTIONS | FSW.SF | FSW.ES | FSW.B);
  b.setState("fpuStatus", b.and(b.state("fpuStatus"), b.const(kept)));
};

/** Unmasking an exception that is noted already makes it pending. */
const fldcw: Semantics = (b, src) => {
  const control = b.or(b.and(src!.load(), b.const(FCW.EXISTING)), b.const(FCW.ALWAYS_SET));
  b.setState("fpuControl", control);
  b.setState("fpuStatus", summarized(b, b.state("fpuStatus"), control));
};

/** FNSTENV and its like: the area's address and the operand size, which is its format. */
const onArea =
  (name: "fldenv" | "fnsave" | "fnstenv" | "frstor", bytes: (opsize: number) => number, write: boolean): Semantics =>
  (b, area) => {
    const { opsize } = b.shape;
    b.noteOperandAccess(bytes(opsize), write);
    b.helper(name, area!.address(), b.const(opsize));
  };

export const rows: readonly Row[] = [
  row("DB E3", "FNINIT", [], fninit, NOT_WAITING),
  row("DB E2", "FNCLEX", [], fnclex, NOT_WAITING),
  // What the 8087 and 80287 had here does nothing any more.
  row("DB E0", "FNENI", [], nothing, NOT_WAITING),
  row("DB E1", "FNDISI", [], nothing, NOT_WAITING),
  row("DB E4", "FNSETPM", [], nothing, NOT_WAITING),
  row("D9 /5", "FLDCW", ["Mw"], fldcw, WAITING),
  row("D9 /4", "FLDENV", ["M"], onArea("fldenv", environmentBytes, false), { ...WAITING, opsize: true }),
  row("D9 /6", "FNSTENV", ["M"], onArea("fnstenv", environmentBytes, true), { ...NOT_WAITING, opsize: true }),
  row("DD /4", "FRSTOR", ["M"], onArea("frstor", saveBytes, false), { ...WAITING, opsize: true }),
  row("DD /6", "FNSAVE", ["M"], onArea("fnsave", saveBytes, true), { ...NOT_WAITING, opsize: true }),
  row("D9 /7", "FNSTCW", ["Mw"], (b, dst) => dst!.store(b.state("fpuControl")), NOT_WAITING),
  row("DD /7", "FNSTSW", ["Mw"], (b, dst) => dst!.store(b.state("fpuStatus")), NOT_WAITING),
  row("DF E0", "FNSTSW", ["AX"], (b, dst) => dst!.store(b.state("fpuStatus")), NOT_WAITING),
  row("D9 D0", "FNOP", [], nothing, WAITING),
  row("9B", "FWAIT", [], nothing, { fpu: "wait", cpuid: "fpu" }),
];

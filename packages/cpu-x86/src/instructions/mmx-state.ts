// MMX registers are the significands of the x87 registers. SDM vol. 1, "Effect of MMX Instructions on x87 FPU State".
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { AT } from "../state/layout.ts";

/** FSW.TOP. */
const TOP = 0x3800;
/** The abridged tag word with no register empty. */
const ALL_VALID = 0xff;

/**
 * What every MMX instruction but EMMS does to the x87: no register is empty and TOP is 0. The processor does it even if
 * the instruction faults afterwards (#XM, or #PF of MASKMOVQ), and doing it again changes nothing: it is no commit.
 */
export function enterMmx(b: X86Builder): void {
  b.store("i64.store32", undefined, AT.fpuStatus, b.and(b.state("fpuStatus"), b.const(~TOP)));
  b.store("i64.store32", undefined, AT.fpuTag, b.const(ALL_VALID));
}

/** Writes an MMX register (operand codes P, N and Q): sign and exponent become all ones. Commits. */
export function storeMmx(b: X86Builder, dst: Operand, value: Val): void {
  dst.store(value);
  b.store("i64.store16", dst.register(), AT.fpr + 8, b.const(0xffff));
  enterMmx(b);
}

// CLI STI PUSHF POPF: flags that privilege guards. SDM vol. 2, the instruction of each name; vol. 1, "IOPL".

import { changeFlags } from "../segments/return-flags.ts";
import { releaseStack } from "../segments/stack.ts";
import { FLAG, IOPL_SHIFT } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Value of `interruptShadow` after STI. */
const SHADOW_STI = 1;

function iopl(cpu: Cpu): number {
  return (cpu.get32(AT.rflags) >>> IOPL_SHIFT) & 3;
}

/** CPL is at most IOPL; virtual-8086 mode counts as CPL 3, real mode as 0. */
function mayTouchInterruptFlag(cpu: Cpu): boolean {
  return !cpu.protectedMode || cpu.cpl <= iopl(cpu);
}

/** CLI. */
export function cli(cpu: Cpu): HelperResult {
  if (!mayTouchInterruptFlag(cpu)) return cpu.raise("GP", 0);
  cpu.set32(AT.rflags, cpu.get32(AT.rflags) & ~FLAG.IF);
  return HELPER.next;
}

/** STI: interrupts are let in behind the next instruction. */
export function sti(cpu: Cpu): HelperResult {
  if (!mayTouchInterruptFlag(cpu)) return cpu.raise("GP", 0);
  const flags = cpu.get32(AT.rflags);
  if ((flags & FLAG.IF) !== 0) return HELPER.next;
  cpu.set32(AT.rflags, flags | FLAG.IF);
  cpu.set32(AT.interruptShadow, SHADOW_STI);
  return HELPER.exit;
}

const ALWAYS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;

/** POPF. Arguments: the image on the stack, operand size in bits. The stack pointer is adjusted here. */
export function popf(cpu: Cpu): HelperResult {
  if (cpu.vm86 && iopl(cpu) !== 3) return cpu.raise("GP", 0);
  const [image, wide] = [cpu.arg32(0), cpu.arg32(1) !== 16];
  const cpl = cpu.protectedMode ? cpu.cpl : 0;
  let mask = ALWAYS;
  if (cpl <= iopl(cpu)) mask |= FLAG.IF;
  if (cpl === 0) mask |= 3 << IOPL_SHIFT;
  if (wide) mask |= FLAG.AC | FLAG.ID;
  const cleared = wide ? FLAG.RF : 0;
  releaseStack(cpu, cpu.arg32(1) >> 3);
  const result = changeFlags(cpu, (cpu.rflags & ~(mask | cleared)) | (image & mask));
  return result === HELPER.jump ? HELPER.next : result;
}

/** STAC: EFLAGS.AC lifts SMAP from explicit accesses. */
export function stac(cpu: Cpu): HelperResult {
  return setAlignmentCheck(cpu, FLAG.AC);
}

/** CLAC. */
export function clac(cpu: Cpu): HelperResult {
  return setAlignmentCheck(cpu, 0);
}

function setAlignmentCheck(cpu: Cpu, value: number): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("UD");
  cpu.set32(AT.rflags, (cpu.get32(AT.rflags) & ~FLAG.AC) | value);
  cpu.linear.contextChanged();
  return HELPER.next;
}

// RFLAGS as returns and POPF load them. SDM vol. 2A, "IRET/IRETD/IRETQ".

import { breakpointsEnabled } from "../exceptions/breakpoints.ts";
import { FLAG, IOPL_SHIFT } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import type { SlotSize } from "./stack.ts";

/** The end of IRET. @param cpl privilege before the return, which decides what may change. */
export function loadFlags(cpu: Cpu, image: number, size: SlotSize, cpl: number): HelperResult {
  const old = cpu.rflags;
  let mask = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
  if (size !== 2) mask |= FLAG.RF | FLAG.AC | FLAG.ID;
  if (cpl <= ioplOf(old)) mask |= FLAG.IF;
  if (cpl === 0) mask |= 3 << IOPL_SHIFT;
  // Real-address mode leaves them alone.
  if (cpl === 0 && size !== 2 && cpu.protectedMode) mask |= FLAG.VIF | FLAG.VIP;
  return changeFlags(cpu, (old & ~mask) | (image & mask));
}

/** The I/O privilege level in an RFLAGS image. */
export function ioplOf(rflags: number): number {
  return (rflags >>> IOPL_SHIFT) & 3;
}

/**
 * Writes RFLAGS after a return or POPF. @returns `exit` if the run loop must look: single-stepping was switched on, or an
 * interrupt waits that may come in now; else `jump`.
 */
export function changeFlags(cpu: Cpu, flags: number): HelperResult {
  const old = cpu.get32(AT.rflags);
  // RF is over with the next instruction, which nobody executes by itself for it unless there is a breakpoint to pass.
  cpu.rflags = breakpointsEnabled(cpu) ? flags : flags & ~FLAG.RF;
  if (((old ^ flags) & (FLAG.AC | FLAG.VM)) !== 0) cpu.linear.contextChanged();
  const enabled = (flags & ~old & FLAG.IF) !== 0 && cpu.get32(AT.interruptRequest) !== 0;
  return enabled || (flags & FLAG.TF) !== 0 ? HELPER.exit : HELPER.jump;
}

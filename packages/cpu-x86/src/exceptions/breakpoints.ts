// Instruction breakpoints. SDM vol. 3B, "Debug Control Register (DR7)" and "Instruction-Breakpoint Exception Condition".
// Data and I/O breakpoints are not watched.
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { raiseDebug } from "./debug.ts";

/** L0 G0 L1 G1 .. L3 G3. */
const DR7_ENABLES = 0xff;
/** R/W0; the other breakpoints' fields follow every four bits. 0: instruction execution. */
const DR7_RW_SHIFT = 16;

/** Some breakpoint is enabled: instructions must be executed one by one. */
export function breakpointsEnabled(cpu: Cpu): boolean {
  return (cpu.low(AT.dr, 7) & DR7_ENABLES) !== 0;
}

/**
 * Raises #DB if an enabled breakpoint lies on the instruction at rip. Call it before the instruction is executed; RFLAGS.RF,
 * which the handler's IRET sets, lets that one instruction through.
 * @returns whether #DB is pending.
 */
export function raiseAtBreakpoint(cpu: Cpu): boolean {
  if (!breakpointsEnabled(cpu) || (cpu.get32(AT.rflags) & FLAG.RF) !== 0) return false;
  const linear = cpu.code64 ? cpu.rip : (cpu.get64(AT.segBase, SEGMENT.cs) + cpu.rip) & 0xffff_ffffn;
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    const control = cpu.low(AT.dr, 7);
    const enabled = ((control >>> (i * 2)) & 3) !== 0;
    const onExecution = ((control >>> (DR7_RW_SHIFT + i * 4)) & 3) === 0;
    if (enabled && onExecution && cpu.get64(AT.dr, i) === linear) hits |= 1 << i;
  }
  if (hits !== 0) raiseDebug(cpu, hits);
  return hits !== 0;
}

// HLT MONITOR MWAIT. SDM vol. 2, the instruction of each name.
import { ACCESS_READ } from "@tsvm/mmu";
import { FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR } from "../state/layout.ts";

/** HLT: until an interrupt or NMI. */
export function hlt(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  cpu.set32(AT.halted, 1);
  return HELPER.exit;
}

/** MONITOR. Argument: linear address of rAX in the segment. No extensions: ECX must be 0. */
export function monitor(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("UD");
  if (cpu.gpr32(GPR.rcx) !== 0) return cpu.raise("GP", 0);
  return cpu.linear.probe(cpu.arg64(0), 1, cpu.explicitAccess | ACCESS_READ) ? HELPER.next : HELPER.fault;
}

/**
 * MWAIT. It may end for any reason; with interrupts on it waits for one, otherwise it ends at once, since a store to the
 * monitored line (the only other thing that could end it) cannot come from this processor.
 */
export function mwait(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("UD");
  if (cpu.gpr32(GPR.rcx) !== 0) return cpu.raise("GP", 0);
  if ((cpu.get32(AT.rflags) & FLAG.IF) === 0) return HELPER.next;
  cpu.set32(AT.halted, 1);
  return HELPER.exit;
}

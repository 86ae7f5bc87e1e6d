// Interrupts from outside: whether one may come in now, and its delivery. SDM vol. 3A, "Nonmaskable Interrupt (NMI)",
// "Masking Maskable Hardware Interrupts", "Masking Exceptions and Interrupts When Switching Stacks".

import { deliver } from "../exceptions/deliver.ts";
import { VECTOR } from "../exceptions/vectors.ts";
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** INTR would be accepted before the next instruction. */
export function interruptDeliverable(cpu: Cpu): boolean {
  return (cpu.get32(AT.rflags) & FLAG.IF) !== 0 && cpu.get32(AT.interruptShadow) === 0 && !cpu.faulted;
}

/** NMI would be accepted before the next instruction. An STI shadow holds NMIs off as well, as processors do. */
export function nmiDeliverable(cpu: Cpu): boolean {
  return cpu.get32(AT.nmiBlocked) === 0 && cpu.get32(AT.interruptShadow) === 0 && !cpu.faulted;
}

/** Enters the handler of an acknowledged interrupt and ends HLT. Faults are left pending. */
export function deliverInterrupt(cpu: Cpu, vector: number): void {
  cpu.set32(AT.halted, 0);
  deliver(cpu, vector, "external");
}

/** Enters the NMI handler, blocks further NMIs until IRET, and ends HLT. Faults are left pending. */
export function deliverNmi(cpu: Cpu): void {
  cpu.set32(AT.halted, 0);
  cpu.set32(AT.nmiBlocked, 1);
  deliver(cpu, VECTOR.NMI, "external");
}

// Interrupts from outside: whether one may come in now, and its delivery. SDM vol. 3A, "Nonmaskable Interrupt (NMI)",
// "Masking Maskable Hardware Interrupts", "Masking Exceptions and Interrupts When Switching Stacks".
import { deliver } from "../exceptions/deliver.ts";
import { VECTOR } from "../exceptions/vectors.ts";
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";

/** INTR would be accepted before the next instruction. */
export function interruptDeliverable(cpu: Cpu): boolean {
  return (cpu.get32("rflags") & FLAG.IF) !== 0 && cpu.get32("interruptShadow") === 0 && !cpu.faulted;
}

/** NMI would be accepted before the next instruction. An STI shadow holds NMIs off as well, as processors do. */
export function nmiDeliverable(cpu: Cpu): boolean {
  return cpu.get32("nmiBlocked") === 0 && cpu.get32("interruptShadow") === 0 && !cpu.faulted;
}

/** Enters the handler of an acknowledged interrupt and ends HLT. Faults are left pending. */
export function deliverInterrupt(cpu: Cpu, vector: number): void {
  cpu.set32("halted", 0);
  deliver(cpu, vector, "external");
}

/** Enters the NMI handler, blocks further NMIs until IRET, and ends HLT. Faults are left pending. */
export function deliverNmi(cpu: Cpu): void {
  cpu.set32("halted", 0);
  cpu.set32("nmiBlocked", 1);
  deliver(cpu, VECTOR.NMI, "external");
}

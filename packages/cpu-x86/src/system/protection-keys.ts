// RDPKRU WRPKRU. SDM vol. 2B, the instruction of each name; vol. 3A, "Protection Keys". The rule itself: mmu.
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR } from "../state/layout.ts";

/** RDPKRU: PKRU to EAX, 0 to EDX. ECX must be 0. */
export function rdpkru(cpu: Cpu): HelperResult {
  if (!mayUse(cpu)) return HELPER.fault;
  cpu.setGpr32(GPR.rax, cpu.get32(AT.pkru));
  cpu.setGpr32(GPR.rdx, 0);
  return HELPER.next;
}

/** WRPKRU: EAX to PKRU. ECX and EDX must be 0. */
export function wrpkru(cpu: Cpu): HelperResult {
  if (!mayUse(cpu)) return HELPER.fault;
  if (cpu.gpr32(GPR.rdx) !== 0) return cpu.raise("GP", 0);
  setPkru(cpu, cpu.gpr32(GPR.rax));
  return HELPER.next;
}

function mayUse(cpu: Cpu): boolean {
  if ((cpu.low(AT.cr4) & CR4.PKE) === 0) cpu.raise("UD");
  else if (cpu.gpr32(GPR.rcx) !== 0) cpu.raise("GP", 0);
  return !cpu.faulted;
}

/** Writes PKRU; translations follow. */
export function setPkru(cpu: Cpu, value: number): void {
  cpu.set32(AT.pkru, value);
  cpu.linear.protectionKeysChanged();
}

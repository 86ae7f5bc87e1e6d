// The CPU's registers as plain numbers by name, and back. Saved state is untrusted input: all of it is checked before any
// of it is loaded.

import { deriveRanges, recomputeMode } from "../segments/cache.ts";
import { isValidCr3, writableCr4 } from "../system/control-registers.ts";
import { isValidXcr0 } from "../system/xsave.ts";
import { supportedXss } from "../xstate/components.ts";
import { CR0, CR4, EFER, FLAG, SEG } from "./bits.ts";
import type { Cpu } from "./cpu.ts";
import { AT, SEGMENT } from "./layout.ts";
import { namedRegisters } from "./register-names.ts";

/** Saved registers that no processor of this model could have. The message is one line. */
export class CpuStateError extends Error {
  readonly code = "CPU_STATE";
  constructor(message: string) {
    super(message);
    this.name = "CpuStateError";
  }
}

/** All registers by name, as VcpuState in contracts describes them, and those that have no name there. */
export function saveRegisters(cpu: Cpu): Record<string, bigint> {
  return Object.fromEntries(namedRegisters.map((register) => [register.name, register.read(cpu)]));
}

const byName = new Map(namedRegisters.map((register) => [register.name, register]));

/**
 * Loads registers by name; those not named keep their values. Everything derived follows: paging, mode, segment ranges.
 * @throws CpuStateError on unknown names, values too wide and combinations that cannot be; nothing is changed then.
 */
export function restoreRegisters(cpu: Cpu, regs: Readonly<Record<string, bigint>>): void {
  const writes = Object.entries(regs).map(([name, value]) => {
    const register = byName.get(name);
    if (register === undefined) throw new CpuStateError(`there is no register "${name}"`);
    if (typeof value !== "bigint" || value < 0n || value >> BigInt(register.width) !== 0n) {
      throw new CpuStateError(`the value of ${name} is not a number of ${register.width} bits`);
    }
    return { register, value };
  });
  checkControls(cpu, (name) => regs[name] ?? byName.get(name)?.read(cpu) ?? 0n);
  for (const { register, value } of writes) register.write(cpu, value);
  deriveAll(cpu);
}

/** What WRMSR and MOV to control registers would never have let through. */
function checkControls(cpu: Cpu, value: (name: string) => bigint): void {
  const [cr0, cr4, efer] = [Number(value("cr0")), Number(value("cr4")), Number(value("efer"))];
  const refuse = (why: string): never => {
    throw new CpuStateError(why);
  };
  const paging = (cr0 & CR0.PG) !== 0;
  if (paging && (cr0 & CR0.PE) === 0) refuse("cr0 has PG without PE");
  if ((cr4 & ~writableCr4(cpu)) !== 0) refuse("cr4 has bits that the CPU model lacks");
  if ((cr4 & CR4.CET) !== 0 && (cr0 & CR0.WP) === 0) refuse("cr4 has CET without cr0.WP");
  const known = EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE;
  if ((efer & ~known) !== 0) refuse("efer has reserved bits");
  if (((efer & EFER.LMA) !== 0) !== (paging && (efer & EFER.LME) !== 0)) refuse("efer.LMA is not LME and cr0.PG");
  if ((efer & EFER.LMA) !== 0 && (cr4 & CR4.PAE) === 0) refuse("long mode without cr4.PAE");
  if (!isValidCr3(cpu, value("cr3"))) refuse("cr3 is beyond the physical address width");
  const xcr0 = value("xcr0");
  if (xcr0 >> 32n !== 0n || !isValidXcr0(cpu, Number(xcr0))) refuse("xcr0 has components that the CPU model lacks");
  if ((value("msr.da0") & ~BigInt(supportedXss(cpu.model))) !== 0n)
    refuse("IA32_XSS has components that the CPU model lacks");
  if ((Number(value("mxcsr")) & ~cpu.get32(AT.mxcsrMask)) !== 0) refuse("mxcsr has reserved bits");
}

function deriveAll(cpu: Cpu): void {
  cpu.set32(AT.cpl, privilegeOf(cpu));
  for (let i = 0; i <= SEGMENT.tr; i++) deriveRanges(cpu, i);
  // PDPTEs that memory does not have right are dropped: the guest then faults where it would have later.
  cpu.linear.restart();
  recomputeMode(cpu);
}

/** 0 in real mode, 3 in virtual-8086 mode, else DPL of SS. */
function privilegeOf(cpu: Cpu): number {
  if ((cpu.low(AT.cr0) & CR0.PE) === 0) return 0;
  if ((cpu.get32(AT.rflags) & FLAG.VM) !== 0) return 3;
  return (cpu.get32(AT.segAttributes, SEGMENT.ss) >>> SEG.dplShift) & 3;
}

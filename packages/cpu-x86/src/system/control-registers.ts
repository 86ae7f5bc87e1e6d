// MOV to and from control registers, LMSW, CLTS. SDM vol. 2B, "MOV-Move to/from Control Registers"; vol. 3A, "Control
// Registers", "Initializing IA-32e Mode", "PDPTE Registers".

import type { FeatureName } from "../cpuid/features.ts";
import { recomputeMode } from "../segments/cache.ts";
import { CR0, CR3_LAM_U48, CR3_LAM_U57, CR4, EFER, SEG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";

const CR0_DEFINED = CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD | CR0.PG;
/** CR4 bits and the features that make them writable. */
const CR4_NEEDS: readonly (readonly [number, FeatureName])[] = [
  [CR4.TSD, "tsc"],
  [CR4.DE, "de"],
  [CR4.PSE, "pse"],
  [CR4.PAE, "pae"],
  [CR4.MCE, "mce"],
  [CR4.PGE, "pge"],
  [CR4.OSFXSR, "fxsr"],
  [CR4.OSXMMEXCPT, "sse"],
  [CR4.UMIP, "umip"],
  [CR4.LA57, "la57"],
  [CR4.FSGSBASE, "fsgsbase"],
  [CR4.PCIDE, "pcid"],
  [CR4.OSXSAVE, "xsave"],
  [CR4.SMEP, "smep"],
  [CR4.SMAP, "smap"],
  [CR4.PKE, "pku"],
  [CR4.CET, "shstk"],
  [CR4.CET, "ibt"],
  [CR4.PKS, "pks"],
  [CR4.LAM_SUP, "lam"],
];

/** CR4 bits that this processor model lets be set. PCE exists with every model that has a time-stamp counter. */
export function writableCr4(cpu: Cpu): number {
  const { features } = cpu.model;
  let mask: number = features.has("tsc") ? CR4.PCE : 0;
  for (const [bit, feature] of CR4_NEEDS) if (features.has(feature)) mask |= bit;
  return mask;
}

/** MOV r, CRn. Arguments: control register number, byte offset of the destination in the general register file. */
export function movFromCr(cpu: Cpu): HelperResult {
  const value = readControl(cpu, cpu.arg32(0));
  if (value === undefined) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const register = cpu.arg32(1) >> 3;
  if (cpu.code64) cpu.setGpr64(register, value);
  else cpu.setGpr32(register, Number(value & 0xffff_ffffn));
  return HELPER.next;
}

function readControl(cpu: Cpu, number: number): bigint | undefined {
  switch (number) {
    case 0:
      return cpu.get64(AT.cr0);
    case 2:
      return cpu.get64(AT.cr2);
    case 3:
      return cpu.get64(AT.cr3);
    case 4:
      return cpu.get64(AT.cr4);
    case 8:
      return BigInt(cpu.host.taskPriority);
    default:
      return undefined;
  }
}

/** MOV CRn, r. Arguments: control register number, source value (32 bits outside 64-bit mode). */
export function movToCr(cpu: Cpu): HelperResult {
  // A register that does not exist is #UD at any privilege.
  if (readControl(cpu, cpu.arg32(0)) === undefined) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const value = cpu.code64 ? cpu.arg64(1) : BigInt(cpu.arg32(1));
  switch (cpu.arg32(0)) {
    case 0:
      return value >> 32n === 0n ? setCr0(cpu, Number(value)) : cpu.raise("GP", 0);
    case 2:
      cpu.set64(AT.cr2, value);
      return HELPER.next;
    case 3:
      return setCr3(cpu, value);
    case 4:
      return value >> 32n === 0n ? setCr4(cpu, Number(value)) : cpu.raise("GP", 0);
    case 8:
      return setTaskPriority(cpu, value);
    default:
      return cpu.raise("UD");
  }
}

/** Changes of these invalidate translations, and reload the PDPTEs of PAE paging. */
const CR0_PAGING = CR0.PG | CR0.CD | CR0.NW;

/** The one way to write CR0 once reset is over. */
export function setCr0(cpu: Cpu, written: number): HelperResult {
  const value = ((written & CR0_DEFINED) | CR0.ET) >>> 0;
  const old = cpu.low(AT.cr0);
  const efer = cpu.low(AT.efer);
  if (!isValidCr0(cpu, old, value)) return cpu.raise("GP", 0);
  cpu.setLow(AT.cr0, value);
  const changed = old ^ value;
  if ((changed & CR0.PG) !== 0 && (efer & EFER.LME) !== 0) {
    cpu.setLow(AT.efer, (value & CR0.PG) !== 0 ? efer | EFER.LMA : efer & ~EFER.LMA);
  }
  if ((changed & (CR0_PAGING | CR0.WP)) !== 0 && !cpu.linear.pagingChanged((changed & CR0_PAGING) !== 0)) {
    cpu.setLow(AT.cr0, old);
    cpu.setLow(AT.efer, efer);
    cpu.linear.pagingChanged(false);
    return cpu.raise("GP", 0);
  }
  if ((changed & (CR0.PE | CR0.PG)) === 0) return (changed & CR0.WP) !== 0 ? HELPER.jump : HELPER.next;
  recomputeMode(cpu);
  return HELPER.exit;
}

function isValidCr0(cpu: Cpu, old: number, value: number): boolean {
  const paging = (value & CR0.PG) !== 0;
  if (paging && (value & CR0.PE) === 0) return false;
  if ((value & CR0.NW) !== 0 && (value & CR0.CD) === 0) return false;
  if ((value & CR0.WP) === 0 && (cpu.low(AT.cr4) & CR4.CET) !== 0) return false;
  if (paging === ((old & CR0.PG) !== 0)) return true;
  const cr4 = cpu.low(AT.cr4);
  const code64 = (cpu.get32(AT.segAttributes, SEGMENT.cs) & SEG.L) !== 0;
  if (!paging) return (cr4 & CR4.PCIDE) === 0 && !(cpu.longMode && code64);
  // Into IA-32e mode: with PAE, and not from code that would become 64-bit under way.
  return (cpu.low(AT.efer) & EFER.LME) === 0 || ((cr4 & CR4.PAE) !== 0 && !code64);
}

const NO_FLUSH = 1n << 63n;

function setCr3(cpu: Cpu, written: bigint): HelperResult {
  const pcide = (cpu.low(AT.cr4) & CR4.PCIDE) !== 0;
  const keep = pcide && (written & NO_FLUSH) !== 0n;
  const value = pcide ? written & ~NO_FLUSH : written;
  if (!isValidCr3(cpu, value) && cpu.code64) return cpu.raise("GP", 0);
  const old = cpu.get64(AT.cr3);
  cpu.set64(AT.cr3, value);
  if (!cpu.linear.cr3Changed(keep)) {
    cpu.set64(AT.cr3, old);
    cpu.walker.setCr3(Number(old));
    return cpu.raise("GP", 0);
  }
  return HELPER.jump;
}

/** No bits above the physical addresses, but CR3.LAM_U57 and CR3.LAM_U48 where linear-address masking exists. */
export function isValidCr3(cpu: Cpu, value: bigint): boolean {
  const masking = cpu.model.features.has("lam") ? CR3_LAM_U57 | CR3_LAM_U48 : 0n;
  return (value & ~masking) >> BigInt(cpu.model.physicalBits) === 0n;
}

/** CR4 bits that translations depend on; those in the second list also reload PDPTEs. */
const CR4_PAGING =
  CR4.PSE | CR4.PAE | CR4.PGE | CR4.LA57 | CR4.PCIDE | CR4.SMEP | CR4.SMAP | CR4.PKE | CR4.PKS | CR4.LAM_SUP;
const CR4_PDPTE = CR4.PSE | CR4.PAE | CR4.PGE | CR4.SMEP;

function setCr4(cpu: Cpu, value: number): HelperResult {
  const old = cpu.low(AT.cr4);
  const changed = old ^ value;
  if (!isValidCr4(cpu, old, value)) return cpu.raise("GP", 0);
  cpu.setLow(AT.cr4, value);
  if ((changed & CR4_PAGING) !== 0 && !cpu.linear.pagingChanged((changed & CR4_PDPTE) !== 0)) {
    cpu.setLow(AT.cr4, old);
    cpu.linear.pagingChanged(false);
    return cpu.raise("GP", 0);
  }
  if ((changed & CR4.CET) !== 0) recomputeMode(cpu);
  if ((changed & CR4.OSXSAVE) !== 0) cpu.linear.contextChanged();
  return changed === 0 ? HELPER.next : HELPER.jump;
}

function isValidCr4(cpu: Cpu, old: number, value: number): boolean {
  const changed = old ^ value;
  if ((value & ~writableCr4(cpu)) !== 0) return false;
  if ((value & CR4.CET) !== 0 && (cpu.low(AT.cr0) & CR0.WP) === 0) return false;
  if (cpu.longMode && ((value & CR4.PAE) === 0 || (changed & CR4.LA57) !== 0)) return false;
  const pcideSet = (changed & value & CR4.PCIDE) !== 0;
  return !pcideSet || (cpu.longMode && (cpu.low(AT.cr3) & 0xfff) === 0);
}

function setTaskPriority(cpu: Cpu, value: bigint): HelperResult {
  if (value > 15n) return cpu.raise("GP", 0);
  cpu.host.taskPriority = Number(value);
  // A lower priority may let a waiting interrupt in.
  return HELPER.exit;
}

/** LMSW. Argument: source. PE can be set but not cleared. */
export function lmsw(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const old = cpu.low(AT.cr0);
  const source = cpu.arg32(0) & (CR0.PE | CR0.MP | CR0.EM | CR0.TS);
  return setCr0(cpu, (old & ~(CR0.MP | CR0.EM | CR0.TS)) | source);
}

/** CLTS. */
export function clts(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  cpu.setLow(AT.cr0, cpu.low(AT.cr0) & ~CR0.TS);
  return HELPER.next;
}

// XSAVE XSAVEOPT XSAVEC XSAVES XRSTOR XRSTORS XGETBV XSETBV. SDM vol. 1, "Managing State Using the XSAVE Feature Set".
//
// XINUSE is exact: a component is in use unless it has its initial configuration. There are no supervisor components, so
// IA32_XSS is 0, and XSAVES saves what XSAVEC does. The modified optimization is not used, which the manual allows.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { GPR } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import { isValidMxcsr, MXCSR_RESET, readMxcsr, writeMxcsr } from "./fpu-area.ts";
import { isOperandCanonical, readBlock, writeBlock } from "./memory-block.ts";
import {
  compactedSize,
  componentsOf,
  standardSize,
  supportedXcr0,
  XSAVE_HEADER,
  XSAVE_MINIMUM,
  type XsaveArea,
} from "./xsave-components.ts";

/** Places in the header: which components the area has, and which form it has. */
const XSTATE_BV = XSAVE_HEADER;
const XCOMP_BV = XSAVE_HEADER + 8;
const RESERVED = XSAVE_HEADER + 16;
/** Bit 63 of XCOMP_BV, in its upper half: the compacted form. */
const COMPACTED = 0x8000_0000;

/** Room for any area; one instruction at a time. */
const bytes = new Uint8Array(4096);
const view = new DataView(bytes.buffer);
const area: XsaveArea = { bytes, view };

/** Components asked for in EDX:EAX that XCR0 has. */
const requested = (cpu: Cpu): number => cpu.low("xcr0") & cpu.gpr32(GPR.rax);

/** Components that do not have their initial configuration. */
function inUse(cpu: Cpu): number {
  return componentsOf(cpu.model).reduce((mask, { bit, isInitial }) => (isInitial(cpu) ? mask : mask | bit), 0);
}

/** XSAVE. Arguments: linear address, operand size in bits, segment. */
export const xsave = (cpu: Cpu): HelperResult => saveStandard(cpu, false);

/** XSAVEOPT leaves components alone that have their initial configuration. Arguments as of XSAVE. */
export const xsaveopt = (cpu: Cpu): HelperResult => saveStandard(cpu, true);

function saveStandard(cpu: Cpu, optimize: boolean): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMove(cpu, linear)) return HELPER.fault;
  const wanted = requested(cpu);
  const used = inUse(cpu);
  const whole = bytes.subarray(0, standardSize(cpu.model, wanted));
  // Bytes that are left alone keep what memory has; the read faults as the write will.
  if (!readBlock(cpu, linear, whole, cpu.explicitAccess | ACCESS_WRITE, cpu.arg32(2))) return HELPER.fault;
  const saved = optimize ? wanted & used : wanted;
  const wide = cpu.arg32(1) === 64;
  for (const { bit, offset, write } of componentsOf(cpu.model)) {
    if ((saved & bit) !== 0) write(cpu, area, offset, wide);
  }
  // MXCSR belongs to SSE and AVX alike.
  if ((wanted & (XSTATE.SSE | XSTATE.AVX)) !== 0) writeMxcsr(cpu, view);
  view.setUint32(XSTATE_BV, (view.getUint32(XSTATE_BV, true) & ~wanted) | (wanted & used), true);
  return writeBlock(cpu, linear, whole, cpu.explicitAccess, cpu.arg32(2)) ? HELPER.next : HELPER.fault;
}

/** XSAVEC. Arguments: linear address, operand size in bits, segment. */
export const xsavec = (cpu: Cpu): HelperResult => saveCompacted(cpu);

/** XSAVES: supervisor code only. Arguments as of XSAVEC. */
export const xsaves = (cpu: Cpu): HelperResult => (mayBeSupervisor(cpu) ? saveCompacted(cpu) : HELPER.fault);

function saveCompacted(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMove(cpu, linear)) return HELPER.fault;
  const wanted = requested(cpu);
  // MXCSR is part of the SSE component here.
  const used = inUse(cpu) | (cpu.get32("mxcsr") === MXCSR_RESET ? 0 : XSTATE.SSE);
  const saved = wanted & used;
  const whole = bytes.subarray(0, compactedSize(cpu.model, wanted));
  if (!readBlock(cpu, linear, whole, cpu.explicitAccess | ACCESS_WRITE, cpu.arg32(2))) return HELPER.fault;
  const wide = cpu.arg32(1) === 64;
  let at = XSAVE_MINIMUM;
  for (const { bit, length, write } of componentsOf(cpu.model)) {
    if ((saved & bit) !== 0) write(cpu, area, at, wide);
    if ((wanted & bit) !== 0) at += length;
  }
  if ((saved & XSTATE.SSE) !== 0) writeMxcsr(cpu, view);
  writeBitmap(XSTATE_BV, saved, 0);
  writeBitmap(XCOMP_BV, wanted, COMPACTED);
  return writeBlock(cpu, linear, whole, cpu.explicitAccess, cpu.arg32(2)) ? HELPER.next : HELPER.fault;
}

function writeBitmap(at: number, low: number, high: number): void {
  view.setUint32(at, low, true);
  view.setUint32(at + 4, high, true);
}

/** XRSTOR. Arguments: linear address, operand size in bits, segment. */
export function xrstor(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMove(cpu, linear)) return HELPER.fault;
  if (!readBlock(cpu, linear, bytes.subarray(0, XSAVE_MINIMUM), cpu.explicitAccess, cpu.arg32(2))) return HELPER.fault;
  if ((view.getUint32(XCOMP_BV + 4, true) & COMPACTED) === 0) return restoreStandard(cpu, linear);
  return cpu.model.features.has("xsavec") ? restoreCompacted(cpu, linear) : cpu.raise("GP", 0);
}

/** XRSTORS: supervisor code only, and the compacted form only. Arguments as of XRSTOR. */
export function xrstors(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayBeSupervisor(cpu) || !mayMove(cpu, linear)) return HELPER.fault;
  if (!readBlock(cpu, linear, bytes.subarray(0, XSAVE_MINIMUM), cpu.explicitAccess, cpu.arg32(2))) return HELPER.fault;
  if ((view.getUint32(XCOMP_BV + 4, true) & COMPACTED) === 0) return cpu.raise("GP", 0);
  return restoreCompacted(cpu, linear);
}

function restoreStandard(cpu: Cpu, linear: bigint): HelperResult {
  const wanted = requested(cpu);
  const present = view.getUint32(XSTATE_BV, true);
  const foreign = (present & ~cpu.low("xcr0")) !== 0 || view.getUint32(XSTATE_BV + 4, true) !== 0;
  if (foreign || view.getBigUint64(XCOMP_BV, true) !== 0n || view.getBigUint64(RESERVED, true) !== 0n) {
    return cpu.raise("GP", 0);
  }
  const loadsMxcsr = (wanted & (XSTATE.SSE | XSTATE.AVX)) !== 0;
  if (loadsMxcsr && !isValidMxcsr(cpu, view)) return cpu.raise("GP", 0);
  const whole = bytes.subarray(0, standardSize(cpu.model, wanted & present));
  if (!readBlock(cpu, linear, whole, cpu.explicitAccess, cpu.arg32(2))) return HELPER.fault;
  const wide = cpu.arg32(1) === 64;
  for (const { bit, offset, read, initialize } of componentsOf(cpu.model)) {
    if ((wanted & bit) === 0) continue;
    if ((present & bit) !== 0) read(cpu, area, offset, wide);
    else initialize(cpu);
  }
  if (loadsMxcsr) readMxcsr(cpu, view);
  return HELPER.next;
}

function restoreCompacted(cpu: Cpu, linear: bigint): HelperResult {
  const wanted = requested(cpu);
  const [present, layout] = [view.getUint32(XSTATE_BV, true), view.getUint32(XCOMP_BV, true)];
  if (!isValidCompacted(cpu, present, layout)) return cpu.raise("GP", 0);
  const loadsSse = (wanted & present & XSTATE.SSE) !== 0;
  if (loadsSse && !isValidMxcsr(cpu, view)) return cpu.raise("GP", 0);
  const whole = bytes.subarray(0, compactedSize(cpu.model, layout));
  if (!readBlock(cpu, linear, whole, cpu.explicitAccess, cpu.arg32(2))) return HELPER.fault;
  const wide = cpu.arg32(1) === 64;
  let at = XSAVE_MINIMUM;
  for (const { bit, length, read, initialize } of componentsOf(cpu.model)) {
    if ((wanted & present & bit) !== 0) read(cpu, area, at, wide);
    else if ((wanted & bit) !== 0) initialize(cpu);
    if ((layout & bit) !== 0) at += length;
  }
  if (loadsSse) readMxcsr(cpu, view);
  else if ((wanted & XSTATE.SSE) !== 0) cpu.set32("mxcsr", MXCSR_RESET);
  return HELPER.next;
}

function isValidCompacted(cpu: Cpu, present: number, layout: number): boolean {
  if ((layout & ~cpu.low("xcr0")) !== 0 || (present & ~layout) !== 0) return false;
  if (view.getUint32(XSTATE_BV + 4, true) !== 0 || view.getUint32(XCOMP_BV + 4, true) !== COMPACTED) return false;
  return bytes.subarray(RESERVED, XSAVE_MINIMUM).every((byte) => byte === 0);
}

function mayMove(cpu: Cpu, linear: bigint): boolean {
  if (!hasOsxsave(cpu)) return false;
  if ((cpu.low("cr0") & CR0.TS) !== 0) cpu.raise("NM");
  else if (isOperandCanonical(cpu, linear, cpu.arg32(2)) && (linear & 63n) !== 0n) cpu.raise("GP", 0);
  return !cpu.faulted;
}

function mayBeSupervisor(cpu: Cpu): boolean {
  if (!hasOsxsave(cpu)) return false;
  if (cpu.cpl !== 0) cpu.raise("GP", 0);
  return !cpu.faulted;
}

function hasOsxsave(cpu: Cpu): boolean {
  if ((cpu.low("cr4") & CR4.OSXSAVE) === 0) cpu.raise("UD");
  return !cpu.faulted;
}

/** XGETBV: XCR0, or which of its components are in use. */
export function xgetbv(cpu: Cpu): HelperResult {
  if (!hasOsxsave(cpu)) return HELPER.fault;
  const index = cpu.gpr32(GPR.rcx);
  const last = cpu.model.features.has("xgetbv1") ? 1 : 0;
  if (index > last) return cpu.raise("GP", 0);
  const xcr0 = cpu.low("xcr0");
  cpu.setGpr32(GPR.rax, index === 0 ? xcr0 : xcr0 & inUse(cpu));
  cpu.setGpr32(GPR.rdx, cpu.high("xcr0"));
  return HELPER.next;
}

/** XSETBV: XCR0 only. */
export function xsetbv(cpu: Cpu): HelperResult {
  if (!hasOsxsave(cpu)) return HELPER.fault;
  const [index, low, high] = [cpu.gpr32(GPR.rcx), cpu.gpr32(GPR.rax), cpu.gpr32(GPR.rdx)];
  if (cpu.cpl !== 0 || index !== 0 || high !== 0 || !isValidXcr0(cpu, low)) return cpu.raise("GP", 0);
  cpu.setLow("xcr0", low);
  return HELPER.next;
}

/** Components that there are; x87 cannot be switched off, also not on a model without XSAVE, and AVX needs SSE. */
export function isValidXcr0(cpu: Cpu, value: number): boolean {
  if ((value & ~(supportedXcr0(cpu.model) | XSTATE.X87)) !== 0 || (value & XSTATE.X87) === 0) return false;
  return (value & (XSTATE.SSE | XSTATE.AVX)) !== XSTATE.AVX;
}

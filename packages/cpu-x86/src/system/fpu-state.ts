// FXSAVE FXRSTOR XSAVE XSAVEOPT XRSTOR XGETBV XSETBV LDMXCSR STMXCSR. SDM vol. 2, the instruction of each name; vol. 1,
// "Managing State Using the XSAVE Feature Set".
import { ACCESS_WRITE } from "@tsvm/mmu";
import { XCR0_SUPPORTED } from "../cpuid/leaves.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { GPR } from "../state/layout.ts";
import {
  clearXmm,
  initX87,
  isValidMxcsr,
  LEGACY_BYTES,
  readMxcsr,
  readX87,
  readXmm,
  writeMxcsr,
  writeX87,
  writeXmm,
} from "./fpu-area.ts";
import { readBlock, writeBlock } from "./memory-block.ts";

const HEADER = LEGACY_BYTES;
const AREA_BYTES = HEADER + 64;
/** State components. */
const X87 = 1;
const SSE = 2;
/** MXCSR after reset and after XRSTOR without its component. */
export const MXCSR_RESET = 0x1f80;
/** MXCSR bits that exist, DAZ among them. */
export const MXCSR_MASK = 0xffff;

/** An area on its way to or from memory; one instruction at a time. */
const area = new Uint8Array(AREA_BYTES);
const areaView = new DataView(area.buffer);
const legacy: Uint8Array = area.subarray(0, LEGACY_BYTES);

/** FXSAVE. Arguments: linear address, operand size in bits. */
export function fxsave(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveLegacy(cpu, linear)) return HELPER.fault;
  // Bytes that FXSAVE leaves alone keep what memory has; the read faults as the write will.
  if (!readBlock(cpu, linear, legacy, cpu.explicitAccess | ACCESS_WRITE)) return HELPER.fault;
  writeX87(cpu, areaView, cpu.arg32(1) === 64);
  writeMxcsr(cpu, areaView);
  if ((cpu.low("cr4") & CR4.OSFXSR) !== 0) writeXmm(cpu, area);
  return writeBlock(cpu, linear, legacy, cpu.explicitAccess) ? HELPER.next : HELPER.fault;
}

/** FXRSTOR. Arguments: linear address, operand size in bits. */
export function fxrstor(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveLegacy(cpu, linear)) return HELPER.fault;
  if (!readBlock(cpu, linear, legacy, cpu.explicitAccess)) return HELPER.fault;
  if (!isValidMxcsr(cpu, areaView)) return cpu.raise("GP", 0);
  readX87(cpu, areaView, cpu.arg32(1) === 64);
  readMxcsr(cpu, areaView);
  if ((cpu.low("cr4") & CR4.OSFXSR) !== 0) readXmm(cpu, area);
  return HELPER.next;
}

function mayMoveLegacy(cpu: Cpu, linear: bigint): boolean {
  if ((cpu.low("cr0") & (CR0.EM | CR0.TS)) !== 0) cpu.raise("NM");
  else if ((linear & 15n) !== 0n) cpu.raise("GP", 0);
  return !cpu.faulted;
}

/** Components asked for in EDX:EAX that XCR0 has. */
function requested(cpu: Cpu): number {
  return cpu.low("xcr0") & cpu.gpr32(GPR.rax);
}

/** XSAVE, XSAVEOPT. Arguments: linear address, operand size in bits. */
export function xsave(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveExtended(cpu, linear)) return HELPER.fault;
  const wanted = requested(cpu);
  if (!readBlock(cpu, linear, area, cpu.explicitAccess | ACCESS_WRITE)) return HELPER.fault;
  if ((wanted & X87) !== 0) writeX87(cpu, areaView, cpu.arg32(1) === 64);
  if ((wanted & SSE) !== 0) {
    writeMxcsr(cpu, areaView);
    writeXmm(cpu, area);
  }
  // Components count as in use always, which the manual allows.
  areaView.setUint32(HEADER, (areaView.getUint32(HEADER, true) & ~wanted) | wanted, true);
  return writeBlock(cpu, linear, area, cpu.explicitAccess) ? HELPER.next : HELPER.fault;
}

/** XRSTOR. Arguments: linear address, operand size in bits. */
export function xrstor(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveExtended(cpu, linear)) return HELPER.fault;
  if (!readBlock(cpu, linear, area, cpu.explicitAccess)) return HELPER.fault;
  const wanted = requested(cpu);
  const present = areaView.getUint32(HEADER, true);
  if (!isValidHeader(cpu, present)) return cpu.raise("GP", 0);
  // MXCSR is loaded with SSE even if the area has its initial configuration.
  if ((wanted & SSE) !== 0 && !isValidMxcsr(cpu, areaView)) return cpu.raise("GP", 0);
  if ((wanted & X87) !== 0) {
    if ((present & X87) !== 0) readX87(cpu, areaView, cpu.arg32(1) === 64);
    else initX87(cpu);
  }
  if ((wanted & SSE) !== 0) {
    readMxcsr(cpu, areaView);
    if ((present & SSE) !== 0) readXmm(cpu, area);
    else clearXmm(cpu);
  }
  return HELPER.next;
}

/** XSTATE_BV within XCR0, the rest of the header zero: the standard form, the only one there is. */
function isValidHeader(cpu: Cpu, present: number): boolean {
  if ((present & ~cpu.low("xcr0")) !== 0 || areaView.getUint32(HEADER + 4, true) !== 0) return false;
  return areaView.getBigUint64(HEADER + 8, true) === 0n && areaView.getBigUint64(HEADER + 16, true) === 0n;
}

function mayMoveExtended(cpu: Cpu, linear: bigint): boolean {
  if ((cpu.low("cr4") & CR4.OSXSAVE) === 0) cpu.raise("UD");
  else if ((cpu.low("cr0") & CR0.TS) !== 0) cpu.raise("NM");
  else if ((linear & 63n) !== 0n) cpu.raise("GP", 0);
  return !cpu.faulted;
}

/** XGETBV: XCR0 only. */
export function xgetbv(cpu: Cpu): HelperResult {
  if ((cpu.low("cr4") & CR4.OSXSAVE) === 0) return cpu.raise("UD");
  if (cpu.gpr32(GPR.rcx) !== 0) return cpu.raise("GP", 0);
  cpu.setGpr32(GPR.rax, cpu.low("xcr0"));
  cpu.setGpr32(GPR.rdx, cpu.high("xcr0"));
  return HELPER.next;
}

/** XSETBV: XCR0 only; x87 cannot be switched off. */
export function xsetbv(cpu: Cpu): HelperResult {
  if ((cpu.low("cr4") & CR4.OSXSAVE) === 0) return cpu.raise("UD");
  const [index, low, high] = [cpu.gpr32(GPR.rcx), cpu.gpr32(GPR.rax), cpu.gpr32(GPR.rdx)];
  const valid = index === 0 && (low & X87) !== 0 && (low & ~XCR0_SUPPORTED) === 0 && high === 0;
  if (cpu.cpl !== 0 || !valid) return cpu.raise("GP", 0);
  cpu.setLow("xcr0", low);
  return HELPER.next;
}

/** LDMXCSR. Argument: the value. Reserved bits: #GP(0). */
export function ldmxcsr(cpu: Cpu): HelperResult {
  const value = cpu.arg32(0);
  if ((value & ~cpu.get32("mxcsrMask")) !== 0) return cpu.raise("GP", 0);
  cpu.set32("mxcsr", value);
  return HELPER.next;
}

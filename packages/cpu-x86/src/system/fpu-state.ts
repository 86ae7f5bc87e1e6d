// FXSAVE FXRSTOR LDMXCSR STMXCSR. SDM vol. 2, the instruction of each name. The XSAVE family: xsave.ts.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { isValidMxcsr, LEGACY_BYTES, readMxcsr, readX87, readXmm, writeMxcsr, writeX87, writeXmm } from "./fpu-area.ts";
import { isOperandCanonical, readBlock, writeBlock } from "./memory-block.ts";

/** An area on its way to or from memory; one instruction at a time. */
const area = new Uint8Array(LEGACY_BYTES);
const areaView = new DataView(area.buffer);

/** FXSAVE. Arguments: linear address, operand size in bits, segment. */
export function fxsave(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveLegacy(cpu, linear)) return HELPER.fault;
  // Bytes that FXSAVE leaves alone keep what memory has; the read faults as the write will.
  if (!readBlock(cpu, linear, area, cpu.explicitAccess | ACCESS_WRITE, cpu.arg32(2))) return HELPER.fault;
  writeX87(cpu, areaView, cpu.arg32(1) === 64);
  writeMxcsr(cpu, areaView);
  if ((cpu.low("cr4") & CR4.OSFXSR) !== 0) writeXmm(cpu, area);
  return writeBlock(cpu, linear, area, cpu.explicitAccess, cpu.arg32(2)) ? HELPER.next : HELPER.fault;
}

/** FXRSTOR. Arguments: linear address, operand size in bits, segment. */
export function fxrstor(cpu: Cpu): HelperResult {
  const linear = cpu.arg64(0);
  if (!mayMoveLegacy(cpu, linear)) return HELPER.fault;
  if (!readBlock(cpu, linear, area, cpu.explicitAccess, cpu.arg32(2))) return HELPER.fault;
  if (!isValidMxcsr(cpu, areaView)) return cpu.raise("GP", 0);
  readX87(cpu, areaView, cpu.arg32(1) === 64);
  readMxcsr(cpu, areaView);
  if ((cpu.low("cr4") & CR4.OSFXSR) !== 0) readXmm(cpu, area);
  return HELPER.next;
}

function mayMoveLegacy(cpu: Cpu, linear: bigint): boolean {
  if ((cpu.low("cr0") & (CR0.EM | CR0.TS)) !== 0) cpu.raise("NM");
  else if (isOperandCanonical(cpu, linear, cpu.arg32(2)) && (linear & 15n) !== 0n) cpu.raise("GP", 0);
  return !cpu.faulted;
}

/** LDMXCSR. Argument: the value. Reserved bits: #GP(0). */
export function ldmxcsr(cpu: Cpu): HelperResult {
  const value = cpu.arg32(0);
  if ((value & ~cpu.get32("mxcsrMask")) !== 0) return cpu.raise("GP", 0);
  cpu.set32("mxcsr", value);
  return HELPER.next;
}

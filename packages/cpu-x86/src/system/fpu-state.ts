// FXSAVE FXRSTOR LDMXCSR STMXCSR. SDM vol. 2, the instruction of each name. The XSAVE family: xsave.ts.

import { ACCESS_WRITE } from "@tsvm/mmu";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import { LEGACY_BYTES, MXCSR_AT } from "../xstate/x87-image.ts";
import { area, isOperandCanonical, openOperand } from "./save-area.ts";
import { formOf } from "./xsave.ts";

/** Components beside the x87. */
const withX87 = (cpu: Cpu): number => ((cpu.low(AT.cr4) & CR4.OSFXSR) === 0 ? 0 : XSTATE.SSE);

/** FXSAVE. Arguments: linear address, operand size in bits, segment. */
export function fxsave(cpu: Cpu): HelperResult {
  if (!mayMoveLegacy(cpu) || !openOperand(cpu, LEGACY_BYTES, ACCESS_WRITE)) return HELPER.fault;
  cpu.xstate.saveLegacy(area.at, withX87(cpu), formOf(cpu));
  area.commit(cpu);
  return HELPER.next;
}

/** FXRSTOR. Arguments: linear address, operand size in bits, segment. */
export function fxrstor(cpu: Cpu): HelperResult {
  if (!mayMoveLegacy(cpu) || !openOperand(cpu, LEGACY_BYTES, 0)) return HELPER.fault;
  if (!isValidMxcsr(cpu, cpu.u32[area.word(MXCSR_AT)] as number)) return cpu.raise("GP", 0);
  cpu.xstate.restoreLegacy(area.at, withX87(cpu), formOf(cpu));
  return HELPER.next;
}

function mayMoveLegacy(cpu: Cpu): boolean {
  if ((cpu.low(AT.cr0) & (CR0.EM | CR0.TS)) !== 0) cpu.raise("NM");
  else checkArea(cpu);
  return !cpu.faulted;
}

/** #SS(0) or #GP(0) for an area that is not canonical, then #GP(0) for one that is no multiple of 16: XSAVE has it the other way. */
function checkArea(cpu: Cpu): void {
  if (isOperandCanonical(cpu, cpu.argHigh(0), cpu.arg32(2)) && (cpu.arg32(0) & 15) !== 0) cpu.raise("GP", 0);
}

/** No reserved bits are set. */
const isValidMxcsr = (cpu: Cpu, value: number): boolean => (value & ~cpu.get32(AT.mxcsrMask)) === 0;

/** LDMXCSR. Argument: the value. Reserved bits: #GP(0). */
export function ldmxcsr(cpu: Cpu): HelperResult {
  const value = cpu.arg32(0);
  if (!isValidMxcsr(cpu, value)) return cpu.raise("GP", 0);
  cpu.set32(AT.mxcsr, value);
  return HELPER.next;
}

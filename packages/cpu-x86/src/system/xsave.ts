// XSAVE XSAVEOPT XSAVEC XSAVES XRSTOR XRSTORS XGETBV XSETBV. SDM vol. 1, "Managing State Using the XSAVE Feature Set". What is
// moved, and how: xstate/areas.ts.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR } from "../state/layout.ts";
import { decodingMode } from "../state/mode.ts";
import { AVX512_STATE, XSTATE } from "../state/xstate.ts";
import { FORM, XCOMP_BV, XSTATE_BV } from "../xstate/areas.ts";
import { CET_STATE, supportedXcr0, XSAVE_MINIMUM } from "../xstate/components.ts";
import { areValidCet, restoreCet, saveCet } from "./cet-components.ts";
import { setPkru } from "./protection-keys.ts";
import { area, isOperandCanonical, openOperand } from "./save-area.ts";

/** Components that XSAVES and XRSTORS may move. */
const allEnabled = (cpu: Cpu): number => cpu.low(AT.xcr0) | cpu.low(AT.xss);

/** Components asked for in EDX:EAX of those that may be moved. */
const requested = (cpu: Cpu, enabled = cpu.low(AT.xcr0)): number => enabled & cpu.gpr32(GPR.rax);

/** A word of the header. */
const header = (cpu: Cpu, at: number): number => cpu.u32[area.word(at)] as number;

const isCompacted = (cpu: Cpu): boolean => header(cpu, XCOMP_BV + 4) >>> 31 !== 0;

/** How the current helper call moves: its operand size tells, and the mode. */
export const formOf = (cpu: Cpu): number => (cpu.arg32(1) === 64 ? FORM.wide : 0) | (cpu.code64 ? FORM.all : 0);

/** XSAVE. Arguments: linear address, operand size in bits, segment. */
export const xsave = (cpu: Cpu): HelperResult => saveStandard(cpu, 0);

/** XSAVEOPT leaves components alone that have their initial configuration. Arguments as of XSAVE. */
export const xsaveopt = (cpu: Cpu): HelperResult => saveStandard(cpu, FORM.optimize);

function saveStandard(cpu: Cpu, optimize: number): HelperResult {
  const wanted = requested(cpu);
  if (!mayMove(cpu) || !openOperand(cpu, cpu.xstate.standardBytes(wanted), ACCESS_WRITE)) return HELPER.fault;
  cpu.xstate.saveStandard(area.at, wanted, formOf(cpu) | optimize);
  area.commit(cpu);
  return HELPER.next;
}

/** XSAVEC. Arguments: linear address, operand size in bits, segment. */
export const xsavec = (cpu: Cpu): HelperResult => saveCompacted(cpu, requested(cpu));

/** XSAVES, whose row knows that it is the supervisor's. Arguments as of XSAVEC. */
export const xsaves = (cpu: Cpu): HelperResult => saveCompacted(cpu, requested(cpu, allEnabled(cpu)));

function saveCompacted(cpu: Cpu, wanted: number): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, cpu.xstate.compactedBytes(wanted), ACCESS_WRITE)) return HELPER.fault;
  cpu.xstate.saveCompacted(area.at, wanted, formOf(cpu));
  cpu.u32[area.word(XSTATE_BV)] = header(cpu, XSTATE_BV) | saveCet(cpu, area, wanted);
  area.commit(cpu);
  return HELPER.next;
}

/** XRSTOR. Arguments: linear address, operand size in bits, segment. */
export function xrstor(cpu: Cpu): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, XSAVE_MINIMUM, 0)) return HELPER.fault;
  if (isCompacted(cpu) && !cpu.model.features.has("xsavec")) return cpu.raise("GP", 0);
  return restore(cpu, cpu.low(AT.xcr0));
}

/** XRSTORS, the supervisor's, too: the compacted form only. Arguments as of XRSTOR. */
export function xrstors(cpu: Cpu): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, XSAVE_MINIMUM, 0)) return HELPER.fault;
  return isCompacted(cpu) ? restore(cpu, allEnabled(cpu)) : cpu.raise("GP", 0);
}

function restore(cpu: Cpu, enabled: number): HelperResult {
  const wanted = requested(cpu, enabled);
  const bytes = cpu.xstate.restoredBytes(area.at, enabled, wanted);
  if (bytes === 0) return cpu.raise("GP", 0);
  if (!openOperand(cpu, bytes, 0)) return HELPER.fault;
  const [present, layout] = [header(cpu, XSTATE_BV), header(cpu, XCOMP_BV)];
  if (!areValidCet(cpu, area, wanted & present, layout)) return cpu.raise("GP", 0);
  const mode = cpu.get32(AT.mode);
  if (isCompacted(cpu)) cpu.xstate.restoreCompacted(area.at, wanted, formOf(cpu));
  else cpu.xstate.restoreStandard(area.at, wanted, formOf(cpu));
  if ((wanted & XSTATE.PKRU) !== 0) setPkru(cpu, cpu.xstate.savedKeys(area.at));
  // The controls of CET may change how code is decoded.
  if ((wanted & CET_STATE) !== 0) restoreCet(cpu, area, wanted, present, layout);
  return cpu.get32(AT.mode) === mode ? HELPER.next : HELPER.jump;
}

function mayMove(cpu: Cpu): boolean {
  if (!hasOsxsave(cpu)) return false;
  if ((cpu.low(AT.cr0) & CR0.TS) !== 0) cpu.raise("NM");
  else checkArea(cpu);
  return !cpu.faulted;
}

/** #GP(0) for an area that is no multiple of 64, in the stack segment, too; then #SS(0) or #GP(0) for one that is not canonical. */
function checkArea(cpu: Cpu): void {
  if ((cpu.arg32(0) & 63) !== 0) cpu.raise("GP", 0);
  else isOperandCanonical(cpu, cpu.argHigh(0), cpu.arg32(2));
}

function hasOsxsave(cpu: Cpu): boolean {
  if ((cpu.low(AT.cr4) & CR4.OSXSAVE) === 0) cpu.raise("UD");
  return !cpu.faulted;
}

/** XGETBV: XCR0, or which of its components are in use. */
export function xgetbv(cpu: Cpu): HelperResult {
  if (!hasOsxsave(cpu)) return HELPER.fault;
  const index = cpu.gpr32(GPR.rcx);
  const last = cpu.model.features.has("xgetbv1") ? 1 : 0;
  if (index > last) return cpu.raise("GP", 0);
  const xcr0 = cpu.low(AT.xcr0);
  cpu.setGpr32(GPR.rax, index === 0 ? xcr0 : cpu.xstate.xstateInUse(xcr0));
  cpu.setGpr32(GPR.rdx, cpu.high(AT.xcr0));
  return HELPER.next;
}

/** XSETBV: XCR0 only. */
export function xsetbv(cpu: Cpu): HelperResult {
  if (!hasOsxsave(cpu)) return HELPER.fault;
  const [index, low, high] = [cpu.gpr32(GPR.rcx), cpu.gpr32(GPR.rax), cpu.gpr32(GPR.rdx)];
  if (cpu.cpl !== 0 || index !== 0 || high !== 0 || !isValidXcr0(cpu, low)) return cpu.raise("GP", 0);
  const mode = decodingMode(cpu);
  cpu.setLow(AT.xcr0, low);
  cpu.linear.contextChanged();
  return decodingMode(cpu) === mode ? HELPER.next : HELPER.jump;
}

/** Components that there are; x87 cannot be switched off, also not on a model without XSAVE, AVX needs SSE, and the components of AVX-512 need each other and AVX. */
export function isValidXcr0(cpu: Cpu, value: number): boolean {
  if ((value & ~(supportedXcr0(cpu.model) | XSTATE.X87)) !== 0 || (value & XSTATE.X87) === 0) return false;
  if ((value & (XSTATE.SSE | XSTATE.AVX)) === XSTATE.AVX) return false;
  const wide = value & AVX512_STATE;
  return wide === 0 || (wide === AVX512_STATE && (value & XSTATE.AVX) !== 0);
}

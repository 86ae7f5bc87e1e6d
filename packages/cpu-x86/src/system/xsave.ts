// XSAVE XSAVEOPT XSAVEC XSAVES XRSTOR XRSTORS XGETBV XSETBV. SDM vol. 1, "Managing State Using the XSAVE Feature Set".
//
// XINUSE is exact: a component is in use unless it has its initial configuration. XSAVES saves what XSAVEC does, and the
// components of IA32_XSS. The modified optimization is not used, which the manual allows.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { CR0, CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR } from "../state/layout.ts";
import { decodingMode } from "../state/mode.ts";
import { AVX512_STATE, XSTATE } from "../state/xstate.ts";
import { isValidMxcsr, MXCSR_RESET, readMxcsr, writeMxcsr } from "./fpu-area.ts";
import { area, isOperandCanonical, openOperand } from "./save-area.ts";
import {
  COMPONENTS,
  compactedSize,
  standardSize,
  supportedXcr0,
  XSAVE_HEADER,
  XSAVE_MINIMUM,
} from "./xsave-components.ts";

/** Places in the header: which components the area has, and which form it has. */
const XSTATE_BV = XSAVE_HEADER;
const XCOMP_BV = XSAVE_HEADER + 8;
const RESERVED = XSAVE_HEADER + 16;
/** Bit 63 of XCOMP_BV, in its upper half: the compacted form. */
const COMPACTED = 0x8000_0000;

/** Components that XSAVES and XRSTORS may move. */
const allEnabled = (cpu: Cpu): number => cpu.low(AT.xcr0) | cpu.low(AT.xss);

/** Components asked for in EDX:EAX of those that may be moved. */
const requested = (cpu: Cpu, enabled = cpu.low(AT.xcr0)): number => enabled & cpu.gpr32(GPR.rax);

/** Those of `mask` that do not have their initial configuration. */
function inUse(cpu: Cpu, mask: number): number {
  let used = 0;
  for (const { bit, isInitial } of COMPONENTS) if ((mask & bit) !== 0 && !isInitial(cpu)) used |= bit;
  return used;
}

/** A word of the header. */
const header = (at: number): number => area.words[area.word(at)] as number;

/** XSAVE. Arguments: linear address, operand size in bits, segment. */
export const xsave = (cpu: Cpu): HelperResult => saveStandard(cpu, false);

/** XSAVEOPT leaves components alone that have their initial configuration. Arguments as of XSAVE. */
export const xsaveopt = (cpu: Cpu): HelperResult => saveStandard(cpu, true);

function saveStandard(cpu: Cpu, optimize: boolean): HelperResult {
  const wanted = requested(cpu);
  if (!mayMove(cpu) || !openOperand(cpu, standardSize(wanted), ACCESS_WRITE)) return HELPER.fault;
  const used = inUse(cpu, wanted);
  const saved = optimize ? used : wanted;
  const wide = cpu.arg32(1) === 64;
  for (const { bit, offset, write } of COMPONENTS) if ((saved & bit) !== 0) write(cpu, area, offset, wide);
  // MXCSR belongs to SSE and AVX alike.
  if ((wanted & (XSTATE.SSE | XSTATE.AVX)) !== 0) writeMxcsr(cpu, area);
  area.words[area.word(XSTATE_BV)] = (header(XSTATE_BV) & ~wanted) | used;
  area.commit(cpu);
  return HELPER.next;
}

/** XSAVEC. Arguments: linear address, operand size in bits, segment. */
export const xsavec = (cpu: Cpu): HelperResult => saveCompacted(cpu, requested(cpu));

/** XSAVES, whose row knows that it is the supervisor's. Arguments as of XSAVEC. */
export const xsaves = (cpu: Cpu): HelperResult => saveCompacted(cpu, requested(cpu, allEnabled(cpu)));

function saveCompacted(cpu: Cpu, wanted: number): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, compactedSize(wanted), ACCESS_WRITE)) return HELPER.fault;
  // MXCSR is part of the SSE component here.
  const saved = inUse(cpu, wanted) | (cpu.get32(AT.mxcsr) === MXCSR_RESET ? 0 : wanted & XSTATE.SSE);
  const wide = cpu.arg32(1) === 64;
  let at = XSAVE_MINIMUM;
  for (const { bit, length, write } of COMPONENTS) {
    if ((saved & bit) !== 0) write(cpu, area, at, wide);
    if ((wanted & bit) !== 0) at += length;
  }
  if ((saved & XSTATE.SSE) !== 0) writeMxcsr(cpu, area);
  writeBitmap(XSTATE_BV, saved, 0);
  writeBitmap(XCOMP_BV, wanted, COMPACTED);
  area.commit(cpu);
  return HELPER.next;
}

function writeBitmap(at: number, low: number, high: number): void {
  const word = area.word(at);
  area.words[word] = low;
  area.words[word + 1] = high;
}

/** XRSTOR. Arguments: linear address, operand size in bits, segment. */
export function xrstor(cpu: Cpu): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, XSAVE_MINIMUM, 0)) return HELPER.fault;
  if ((header(XCOMP_BV + 4) & COMPACTED) === 0) return restoreStandard(cpu);
  return cpu.model.features.has("xsavec") ? restoreCompacted(cpu, cpu.low(AT.xcr0)) : cpu.raise("GP", 0);
}

/** XRSTORS, the supervisor's, too: the compacted form only. Arguments as of XRSTOR. */
export function xrstors(cpu: Cpu): HelperResult {
  if (!mayMove(cpu) || !openOperand(cpu, XSAVE_MINIMUM, 0)) return HELPER.fault;
  return (header(XCOMP_BV + 4) & COMPACTED) === 0 ? cpu.raise("GP", 0) : restoreCompacted(cpu, allEnabled(cpu));
}

function restoreStandard(cpu: Cpu): HelperResult {
  const wanted = requested(cpu);
  const present = header(XSTATE_BV);
  const foreign = (present & ~cpu.low(AT.xcr0)) | header(XSTATE_BV + 4);
  const reserved = header(XCOMP_BV) | header(XCOMP_BV + 4) | header(RESERVED) | header(RESERVED + 4);
  if ((foreign | reserved) !== 0) return cpu.raise("GP", 0);
  const loadsMxcsr = (wanted & (XSTATE.SSE | XSTATE.AVX)) !== 0;
  if (loadsMxcsr && !isValidMxcsr(cpu, area)) return cpu.raise("GP", 0);
  if (!openOperand(cpu, standardSize(wanted & present), 0)) return HELPER.fault;
  const wide = cpu.arg32(1) === 64;
  for (const { bit, offset, read, initialize } of COMPONENTS) {
    if ((wanted & bit) === 0) continue;
    if ((present & bit) !== 0) read(cpu, area, offset, wide);
    else initialize(cpu);
  }
  if (loadsMxcsr) readMxcsr(cpu, area);
  return HELPER.next;
}

function restoreCompacted(cpu: Cpu, enabled: number): HelperResult {
  const wanted = requested(cpu, enabled);
  const present = header(XSTATE_BV);
  const layout = header(XCOMP_BV);
  if (!isValidCompacted(enabled, present, layout)) return cpu.raise("GP", 0);
  const loadsSse = (wanted & present & XSTATE.SSE) !== 0;
  if (loadsSse && !isValidMxcsr(cpu, area)) return cpu.raise("GP", 0);
  if (!openOperand(cpu, compactedSize(layout), 0)) return HELPER.fault;
  if (!areValidValues(cpu, wanted & present, layout)) return cpu.raise("GP", 0);
  const mode = cpu.get32(AT.mode);
  const wide = cpu.arg32(1) === 64;
  let at = XSAVE_MINIMUM;
  for (const { bit, length, read, initialize } of COMPONENTS) {
    if ((wanted & present & bit) !== 0) read(cpu, area, at, wide);
    else if ((wanted & bit) !== 0) initialize(cpu);
    if ((layout & bit) !== 0) at += length;
  }
  if (loadsSse) readMxcsr(cpu, area);
  else if ((wanted & XSTATE.SSE) !== 0) cpu.set32(AT.mxcsr, MXCSR_RESET);
  // The controls of CET may change how code is decoded.
  return cpu.get32(AT.mode) === mode ? HELPER.next : HELPER.jump;
}

/** Whether the area has nothing for registers of the supervisor that WRMSR would not take. */
function areValidValues(cpu: Cpu, loaded: number, layout: number): boolean {
  let at = XSAVE_MINIMUM;
  for (const { bit, length, isValid } of COMPONENTS) {
    if ((loaded & bit) !== 0 && isValid !== undefined && !isValid(cpu, area, at)) return false;
    if ((layout & bit) !== 0) at += length;
  }
  return true;
}

function isValidCompacted(enabled: number, present: number, layout: number): boolean {
  if ((layout & ~enabled) !== 0 || (present & ~layout) !== 0) return false;
  if (header(XSTATE_BV + 4) !== 0 || header(XCOMP_BV + 4) !== COMPACTED) return false;
  let reserved = 0;
  for (let at = RESERVED; at < XSAVE_MINIMUM; at += 4) reserved |= header(at);
  return reserved === 0;
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
  cpu.setGpr32(GPR.rax, index === 0 ? xcr0 : inUse(cpu, xcr0));
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

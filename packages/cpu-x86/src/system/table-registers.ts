// LGDT LIDT SGDT SIDT LLDT SLDT LTR STR SMSW. SDM vol. 2, the instruction of each name.
import { setSegmentCache } from "../segments/cache.ts";
import { isCanonicalBase } from "../segments/canonical.ts";
import { isNull, isPresent, SYSTEM_TYPE, systemTypeOf, TSS_BUSY } from "../segments/descriptor.ts";
import { loadLocalTable } from "../segments/load.ts";
import { errorCodeOf, fetchDescriptor, markBusy, widenSystemDescriptor } from "../segments/tables.ts";
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { readBlock, writeBlock } from "./memory-block.ts";

/** A limit and a base as they lie in memory; one instruction at a time. */
const pseudoDescriptor = new Uint8Array(10);
const pseudoView = new DataView(pseudoDescriptor.buffer);

type TableRegister = "gdtr" | "idtr";

/** LGDT. Arguments: linear address, operand size in bits. */
export function lgdt(cpu: Cpu): HelperResult {
  return loadTable(cpu, "gdtr");
}

/** LIDT. Arguments as LGDT. */
export function lidt(cpu: Cpu): HelperResult {
  return loadTable(cpu, "idtr");
}

function loadTable(cpu: Cpu, name: TableRegister): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const wide = cpu.code64;
  const bytes = pseudoDescriptor.subarray(0, wide ? 10 : 6);
  if (!readBlock(cpu, cpu.arg64(0), bytes, cpu.explicitAccess)) return HELPER.fault;
  const low = pseudoView.getUint32(2, true);
  // A 16-bit operand size has 24 base bits.
  const base = wide ? pseudoView.getBigUint64(2, true) : BigInt(cpu.arg32(1) === 16 ? low & 0xff_ffff : low);
  if (wide && !isCanonicalBase(cpu, base)) return cpu.raise("GP", 0);
  cpu.set64(`${name}Base`, base);
  cpu.set32(`${name}Limit`, pseudoView.getUint16(0, true));
  return HELPER.next;
}

/** SGDT. Argument: linear address. */
export function sgdt(cpu: Cpu): HelperResult {
  return storeTable(cpu, "gdtr");
}

/** SIDT. Argument: linear address. */
export function sidt(cpu: Cpu): HelperResult {
  return storeTable(cpu, "idtr");
}

function storeTable(cpu: Cpu, name: TableRegister): HelperResult {
  if (isPrevented(cpu)) return cpu.raise("GP", 0);
  pseudoView.setUint16(0, cpu.get32(`${name}Limit`), true);
  pseudoView.setBigUint64(2, cpu.get64(`${name}Base`), true);
  const bytes = pseudoDescriptor.subarray(0, cpu.code64 ? 10 : 6);
  return writeBlock(cpu, cpu.arg64(0), bytes, cpu.explicitAccess) ? HELPER.next : HELPER.fault;
}

/** User-mode instruction prevention. SDM vol. 3A, CR4.UMIP. */
function isPrevented(cpu: Cpu): boolean {
  return (cpu.low(AT.cr4) & CR4.UMIP) !== 0 && cpu.cpl !== 0;
}

/** The check of SLDT, STR and SMSW, which then are plain moves: #GP(0) under CR4.UMIP above CPL 0. */
export function checkUmip(cpu: Cpu): HelperResult {
  return isPrevented(cpu) ? cpu.raise("GP", 0) : HELPER.next;
}

/** LLDT. Argument: selector. */
export function lldt(cpu: Cpu): HelperResult {
  if (!isTaskManaging(cpu)) return HELPER.fault;
  return loadLocalTable(cpu, cpu.arg32(0) & 0xffff, "GP") ? HELPER.next : HELPER.fault;
}

/** LTR. Argument: selector. Marks the TSS busy. */
export function ltr(cpu: Cpu): HelperResult {
  const selector = cpu.arg32(0) & 0xffff;
  if (!isTaskManaging(cpu)) return HELPER.fault;
  if (isNull(selector)) return cpu.raise("GP", 0);
  if ((selector & 4) !== 0) return cpu.raise("GP", errorCodeOf(selector));
  const first = fetchDescriptor(cpu, selector, "GP");
  if (first === undefined) return HELPER.fault;
  const type = systemTypeOf(first.attributes);
  const available = type === SYSTEM_TYPE.tss32Available || (type === SYSTEM_TYPE.tss16Available && !cpu.longMode);
  if (!available) return cpu.raise("GP", errorCodeOf(selector));
  if (!isPresent(first.attributes)) return cpu.raise("NP", errorCodeOf(selector));
  const descriptor = widenSystemDescriptor(cpu, selector, first, "GP");
  if (descriptor === undefined || !markBusy(cpu, selector, first, true)) return HELPER.fault;
  const { base, baseHigh, limit, attributes } = descriptor;
  setSegmentCache(cpu, SEGMENT.tr, selector, base, limit, attributes | TSS_BUSY, baseHigh);
  return HELPER.next;
}

function isTaskManaging(cpu: Cpu): boolean {
  if (!cpu.protectedMode || cpu.vm86) cpu.raise("UD");
  else if (cpu.cpl !== 0) cpu.raise("GP", 0);
  return !cpu.faulted;
}

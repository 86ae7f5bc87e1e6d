// Loading data segment registers and LDTR, with all checks. SDM vol. 2A, "MOV-Move"; vol. 2B, "POP"; vol. 3A, "Segment
// Descriptor Tables" and "Privilege Level Checking When Accessing Data Segments".
import type { VectorName } from "../exceptions/vectors.ts";
import { SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import {
  invalidateSegment,
  recomputeMode,
  setNullSegment,
  setRealSegment,
  setSegment,
  setSegmentCache,
} from "./cache.ts";
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isWritableData,
  SYSTEM_TYPE,
  systemTypeOf,
} from "./descriptor.ts";
import { errorCodeOf, fetchDescriptor, markAccessed, widenSystemDescriptor } from "./tables.ts";

/** Loads any segment register but CS. @returns false: exception pending, nothing changed. */
export function loadSegment(cpu: Cpu, segment: number, selector: number): boolean {
  if (!cpu.protectedMode || cpu.vm86) setRealSegment(cpu, segment, selector);
  else if (!(segment === SEGMENT.ss ? loadStackSegment(cpu, selector) : loadDataSegment(cpu, segment, selector))) {
    return false;
  }
  // FS and GS enter neither into the mode nor into flatness.
  if (segment < SEGMENT.fs) recomputeMode(cpu);
  return true;
}

function loadDataSegment(cpu: Cpu, segment: number, selector: number): boolean {
  if (isNull(selector)) {
    setNullSegment(cpu, segment, selector);
    return true;
  }
  const descriptor = checkDataSegment(cpu, selector, cpu.cpl, "GP");
  if (descriptor === undefined) return false;
  setSegment(cpu, segment, selector, descriptor);
  return true;
}

/**
 * The checks on a non-null selector for DS, ES, FS or GS.
 * @param fault what violations raise: GP, or TS in a task switch.
 * @returns undefined: exception pending. The accessed bit is set in memory otherwise.
 */
export function checkDataSegment(cpu: Cpu, selector: number, cpl: number, fault: VectorName): Descriptor | undefined {
  const descriptor = fetchDescriptor(cpu, selector, fault);
  if (descriptor === undefined) return undefined;
  const { attributes } = descriptor;
  const dpl = dplOf(attributes);
  const reachable = isConforming(attributes) || (dpl >= (selector & 3) && dpl >= cpl);
  if (!isReadable(attributes) || !reachable) return refuse(cpu, fault, selector);
  if (!isPresent(attributes)) return refuse(cpu, "NP", selector);
  return markAccessed(cpu, selector, descriptor) ? descriptor : undefined;
}

function loadStackSegment(cpu: Cpu, selector: number): boolean {
  const { cpl } = cpu;
  if (isNull(selector)) {
    if (!cpu.code64 || cpl === 3 || (selector & 3) !== cpl) {
      cpu.raise("GP", 0);
      return false;
    }
    setNullSegment(cpu, SEGMENT.ss, selector, cpl);
    return true;
  }
  const descriptor = checkStackSegment(cpu, selector, cpl, "GP");
  if (descriptor === undefined) return false;
  setSegment(cpu, SEGMENT.ss, selector, descriptor);
  return true;
}

/**
 * The checks on a non-null selector for SS at privilege `cpl`.
 * @param fault what violations raise: GP, or TS for stacks that come from a TSS.
 * @returns undefined: exception pending. The accessed bit is set in memory otherwise.
 */
export function checkStackSegment(cpu: Cpu, selector: number, cpl: number, fault: VectorName): Descriptor | undefined {
  const descriptor = fetchDescriptor(cpu, selector, fault);
  if (descriptor === undefined) return undefined;
  const { attributes } = descriptor;
  if ((selector & 3) !== cpl || !isWritableData(attributes) || dplOf(attributes) !== cpl) {
    return refuse(cpu, fault, selector);
  }
  if (!isPresent(attributes)) return refuse(cpu, "SS", selector);
  return markAccessed(cpu, selector, descriptor) ? descriptor : undefined;
}

/** Loads LDTR, as LLDT and task switches do. @param fault GP or TS. @returns false: exception pending. */
export function loadLocalTable(cpu: Cpu, selector: number, fault: VectorName): boolean {
  if (isNull(selector)) {
    setSegmentCache(cpu, SEGMENT.ldtr, selector, 0, 0, SEG.UNUSABLE | SYSTEM_TYPE.ldt);
    return true;
  }
  if ((selector & 4) !== 0) return reject(cpu, fault, selector);
  const first = fetchDescriptor(cpu, selector, fault);
  if (first === undefined) return false;
  if (systemTypeOf(first.attributes) !== SYSTEM_TYPE.ldt) return reject(cpu, fault, selector);
  // SDM: #NP from LLDT, but #TS from a task switch.
  if (!isPresent(first.attributes)) return reject(cpu, fault === "TS" ? "TS" : "NP", selector);
  const descriptor = widenSystemDescriptor(cpu, selector, first, fault);
  if (descriptor === undefined) return false;
  setSegment(cpu, SEGMENT.ldtr, selector, descriptor);
  return true;
}

/**
 * After a return to less privilege: data segments that the new CPL must not use become null, lest it inherit them, and null
 * selectors lose their RPL: a null segment has DPL 0. SDM vol. 2B, "RET", RETURN-TO-OUTER-PRIVILEGE-LEVEL. In 64-bit code, too, and
 * for FS and GS: an AMD EPYC does so, QEMU does not.
 */
export function dropInnerSegments(cpu: Cpu, cpl: number): void {
  for (const segment of [SEGMENT.es, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs]) {
    const attributes = cpu.get32(AT.segAttributes, segment);
    const unusable = (attributes & SEG.UNUSABLE) !== 0;
    const inner = (!isCode(attributes) || !isConforming(attributes)) && dplOf(attributes) < cpl;
    const taken = unusable ? cpu.get32(AT.segSelector, segment) !== 0 : inner;
    if (taken) invalidateSegment(cpu, segment);
  }
}

function reject(cpu: Cpu, fault: VectorName, selector: number): false {
  cpu.raise(fault, errorCodeOf(selector));
  return false;
}

function refuse(cpu: Cpu, fault: VectorName, selector: number): undefined {
  cpu.raise(fault, errorCodeOf(selector));
  return undefined;
}

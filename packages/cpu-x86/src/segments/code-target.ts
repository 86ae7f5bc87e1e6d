// Code segments as destinations of far transfers: the checks that all of them share, and the commit.
import type { VectorName } from "../exceptions/vectors.ts";
import { SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { recomputeMode, setCodeSegment, setRealSegment } from "./cache.ts";
import { isCanonicalHigh } from "./canonical.ts";
import { type Descriptor, dplOf, isCode, isConforming, isNull, isPresent } from "./descriptor.ts";
import { errorCodeOf, fetchDescriptor, markAccessed } from "./tables.ts";

/** Where a far transfer goes: checked, not yet committed. */
export interface CodeTarget {
  readonly selector: number;
  readonly descriptor: Descriptor;
  readonly cpl: number;
  /** Bits 31:0 and 63:32 of the entry point. */
  readonly rip: number;
  readonly ripHigh: number;
}

/** Raises `fault` with the selector. */
export function refuseCode(cpu: Cpu, fault: VectorName, selector: number): undefined {
  cpu.raise(fault, errorCodeOf(selector));
  return undefined;
}

/** Descriptor of a non-null selector of a code segment; else #GP. Presence is checked by {@link enterCode}. */
export function fetchCode(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return refuseCode(cpu, "GP", 0);
  const descriptor = fetchDescriptor(cpu, selector, "GP");
  if (descriptor === undefined || isCode(descriptor.attributes)) return descriptor;
  return refuseCode(cpu, "GP", selector);
}

/** The descriptor makes 64-bit code, in IA-32e mode. */
export function isCode64(cpu: Cpu, descriptor: Descriptor): boolean {
  return cpu.longMode && (descriptor.attributes & SEG.L) !== 0;
}

/**
 * Privileges of JMP and CALL without gate: the same level, or a conforming segment of a more privileged one.
 * @returns false: #GP pending.
 */
export function mayTransferDirectly(cpu: Cpu, selector: number, { attributes }: Descriptor): boolean {
  const { cpl } = cpu;
  const dpl = dplOf(attributes);
  const allowed = isConforming(attributes) ? dpl <= cpl : (selector & 3) <= cpl && dpl === cpl;
  if (!allowed) cpu.raise("GP", errorCodeOf(selector));
  return allowed;
}

/** Privileges of RET and IRET: to RPL, which is not more privileged than CPL. @returns false: #GP pending. */
export function mayReturnTo(cpu: Cpu, selector: number, { attributes }: Descriptor): boolean {
  const rpl = selector & 3;
  const dpl = dplOf(attributes);
  const allowed = rpl >= cpu.cpl && (isConforming(attributes) ? dpl <= rpl : dpl === rpl);
  if (!allowed) cpu.raise("GP", errorCodeOf(selector));
  return allowed;
}

/** The last checks: L with D, presence, offset inside the limit. Sets the accessed bit. @returns undefined: fault. */
export function enterCode(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  cpl: number,
  rip: number,
  ripHigh: number,
): CodeTarget | undefined {
  const { attributes } = descriptor;
  if (isCode64(cpu, descriptor) && (attributes & SEG.DB) !== 0) return refuseCode(cpu, "GP", selector);
  if (!isPresent(attributes)) return refuseCode(cpu, "NP", selector);
  if (!isEntry(cpu, descriptor, rip, ripHigh)) return refuseCode(cpu, "GP", 0);
  return markAccessed(cpu, selector, descriptor) ? { selector, descriptor, cpl, rip, ripHigh } : undefined;
}

function isEntry(cpu: Cpu, descriptor: Descriptor, rip: number, ripHigh: number): boolean {
  return isCode64(cpu, descriptor) ? isCanonicalHigh(cpu, ripHigh) : ripHigh === 0 && rip <= descriptor.limit;
}

/** Loads CS, CPL and rip, then derives the mode; SS must have been committed before. */
export function commitCode(cpu: Cpu, target: CodeTarget): void {
  setCodeSegment(cpu, target.selector, target.descriptor, target.cpl);
  cpu.setHalves(AT.rip, target.rip, target.ripHigh);
  recomputeMode(cpu);
}

/** Real and virtual-8086 mode: no checks but the limit. @returns false: #GP pending. */
export function enterRealCode(cpu: Cpu, selector: number, ip: number): boolean {
  if (ip > cpu.get32(AT.segLimit, SEGMENT.cs)) {
    cpu.raise("GP", 0);
    return false;
  }
  setRealSegment(cpu, SEGMENT.cs, selector);
  cpu.setLow(AT.rip, ip);
  recomputeMode(cpu);
  return true;
}

// Descriptors read from and written back to GDT and LDT. All accesses are implicit supervisor accesses.
import type { VectorName } from "../exceptions/vectors.ts";
import { SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { isCanonicalBase } from "./canonical.ts";
import { type Descriptor, type Gate, parseDescriptor, parseGate, TSS_BUSY } from "./descriptor.ts";

/** Page-walk access bits of descriptor-table and TSS accesses: supervisor, whatever CPL and EFLAGS.AC are. */
export const IMPLICIT = 0;

/** Selector as error codes carry it: without RPL; EXT is added where events are delivered. */
export function errorCodeOf(selector: number): number {
  return selector & 0xfffc;
}

/** Whether the first `bytes` bytes of a selector's descriptor lie in its table. */
function isInTable(cpu: Cpu, selector: number, bytes: number): boolean {
  const last = (selector & 0xfff8) + bytes - 1;
  if ((selector & 4) === 0) return last <= cpu.get32(AT.gdtrLimit);
  if ((cpu.get32(AT.segAttributes, SEGMENT.ldtr) & (SEG.UNUSABLE | SEG.P)) !== SEG.P) return false;
  return last <= cpu.get32(AT.segLimit, SEGMENT.ldtr);
}

/**
 * Finds `size` bytes at an offset from a table's base, for reading.
 * @param base place of the field that holds the base, `index`: its element. @returns hva, or 0: exception pending.
 */
export function reachTable(cpu: Cpu, base: number, index: number, offset: number, size: number): number {
  const low = cpu.low(base, index) + offset;
  const carry = low >= 0x1_0000_0000 ? 1 : 0;
  return cpu.linear.reach(low | 0, cpu.longMode ? (cpu.high(base, index) + carry) | 0 : 0, size, IMPLICIT);
}

function reachDescriptor(cpu: Cpu, selector: number, at: number, size: number): number {
  const offset = (selector & 0xfff8) + at;
  return (selector & 4) === 0
    ? reachTable(cpu, AT.gdtrBase, 0, offset, size)
    : reachTable(cpu, AT.segBase, SEGMENT.ldtr, offset, size);
}

/**
 * Reads an 8-byte descriptor.
 * @param fault raised with the selector if it lies outside the table; undefined: nothing is raised for that.
 * @returns undefined if there is none; `cpu.faulted` tells whether an exception is pending.
 */
export function fetchDescriptor(cpu: Cpu, selector: number, fault: VectorName | undefined): Descriptor | undefined {
  if (!isInTable(cpu, selector, 8)) {
    if (fault !== undefined) cpu.raise(fault, errorCodeOf(selector));
    return undefined;
  }
  const hva = reachDescriptor(cpu, selector, 0, 8);
  if (hva === 0) return undefined;
  return parseDescriptor(cpu.view.getUint32(hva, true), cpu.view.getUint32(hva + 4, true));
}

/** Second half of a 16-byte system descriptor of IA-32e mode; bits 12:8 of its second word must be zero. */
function fetchUpperHalf(cpu: Cpu, selector: number, fault: VectorName): number | undefined {
  const hva = isInTable(cpu, selector, 16) ? reachDescriptor(cpu, selector, 8, 8) : 0;
  if (hva !== 0 && (cpu.view.getUint32(hva + 4, true) & 0x1f00) === 0) return cpu.view.getUint32(hva, true);
  cpu.raise(fault, errorCodeOf(selector));
  return undefined;
}

/**
 * An LDT or TSS descriptor with the base of IA-32e mode where that applies. `descriptor` is its first half.
 * @param fault raised with the selector if it is malformed, or its base is not canonical.
 */
export function widenSystemDescriptor(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  fault: VectorName,
): Descriptor | undefined {
  if (!cpu.longMode) return descriptor;
  const upper = fetchUpperHalf(cpu, selector, fault);
  if (upper === undefined) return undefined;
  const wide = parseDescriptor(descriptor.low, descriptor.high, upper);
  if (isCanonicalBase(cpu, (BigInt(wide.baseHigh >>> 0) << 32n) | BigInt(wide.base >>> 0))) return wide;
  cpu.raise(fault, errorCodeOf(selector));
  return undefined;
}

/** A gate in GDT or LDT, whose first half was fetched as `descriptor`. */
export function widenGate(cpu: Cpu, selector: number, descriptor: Descriptor): Gate | undefined {
  if (!cpu.longMode) return parseGate(descriptor.low, descriptor.high);
  const upper = fetchUpperHalf(cpu, selector, "GP");
  return upper === undefined ? undefined : parseGate(descriptor.low, descriptor.high, upper);
}

/** Sets the accessed bit in memory if it is clear. @returns false: exception pending. */
export function markAccessed(cpu: Cpu, selector: number, descriptor: Descriptor): boolean {
  if ((descriptor.attributes & SEG.ACCESSED) !== 0) return true;
  return writeType(cpu, selector, descriptor.attributes | SEG.ACCESSED);
}

/** Sets or clears the busy bit of a TSS descriptor in memory. @returns false: exception pending. */
export function markBusy(cpu: Cpu, selector: number, descriptor: Descriptor, busy: boolean): boolean {
  return writeType(cpu, selector, busy ? descriptor.attributes | TSS_BUSY : descriptor.attributes & ~TSS_BUSY);
}

function writeType(cpu: Cpu, selector: number, attributes: number): boolean {
  const base = (selector & 4) === 0 ? cpu.get64(AT.gdtrBase) : cpu.get64(AT.segBase, SEGMENT.ldtr);
  cpu.linear.write(base + BigInt((selector & 0xfff8) + 5), 1, attributes & 0xff, IMPLICIT);
  return !cpu.faulted;
}

// Descriptors read from and written back to GDT and LDT. All accesses are implicit supervisor accesses.
import type { VectorName } from "../exceptions/vectors.ts";
import { SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { SEGMENT } from "../state/layout.ts";
import { type Descriptor, type Gate, parseDescriptor, parseGate, TSS_BUSY } from "./descriptor.ts";

/** Page-walk access bits of descriptor-table and TSS accesses: supervisor, whatever CPL and EFLAGS.AC are. */
export const IMPLICIT = 0;

/** Selector as error codes carry it: without RPL; EXT is added where events are delivered. */
export function errorCodeOf(selector: number): number {
  return selector & 0xfffc;
}

/** Linear address of a selector's descriptor, or undefined if `bytes` of it do not lie in the table. */
export function descriptorAddress(cpu: Cpu, selector: number, bytes = 8): bigint | undefined {
  const offset = selector & 0xfff8;
  if ((selector & 4) === 0) {
    return offset + bytes - 1 <= cpu.get32("gdtrLimit") ? cpu.get64("gdtrBase") + BigInt(offset) : undefined;
  }
  if ((cpu.get32("segAttributes", SEGMENT.ldtr) & (SEG.UNUSABLE | SEG.P)) !== SEG.P) return undefined;
  const limit = cpu.get32("segLimit", SEGMENT.ldtr);
  return offset + bytes - 1 <= limit ? cpu.get64("segBase", SEGMENT.ldtr) + BigInt(offset) : undefined;
}

/**
 * Reads an 8-byte descriptor.
 * @param fault raised with the selector if it lies outside the table; undefined: nothing is raised for that.
 * @returns undefined if there is none; `cpu.faulted` tells whether an exception is pending.
 */
export function fetchDescriptor(cpu: Cpu, selector: number, fault: VectorName | undefined): Descriptor | undefined {
  const address = descriptorAddress(cpu, selector);
  if (address === undefined) {
    if (fault !== undefined) cpu.raise(fault, errorCodeOf(selector));
    return undefined;
  }
  const raw = cpu.linear.read64(address, IMPLICIT);
  if (cpu.faulted) return undefined;
  return parseDescriptor(Number(raw & 0xffff_ffffn), Number(raw >> 32n));
}

/** Second half of a 16-byte system descriptor of IA-32e mode; bits 12:8 of its second word must be zero. */
function fetchUpperHalf(cpu: Cpu, selector: number, fault: VectorName): number | undefined {
  const address = descriptorAddress(cpu, selector, 16);
  if (address === undefined) {
    cpu.raise(fault, errorCodeOf(selector));
    return undefined;
  }
  const upper = cpu.linear.read64(address + 8n, IMPLICIT);
  if (cpu.faulted) return undefined;
  if (((upper >> 40n) & 0x1fn) !== 0n) {
    cpu.raise(fault, errorCodeOf(selector));
    return undefined;
  }
  return Number(upper & 0xffff_ffffn);
}

/** An LDT or TSS descriptor with the base of IA-32e mode where that applies. `descriptor` is its first half. */
export function widenSystemDescriptor(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  fault: VectorName,
): Descriptor | undefined {
  if (!cpu.longMode) return descriptor;
  const upper = fetchUpperHalf(cpu, selector, fault);
  return upper === undefined ? undefined : parseDescriptor(descriptor.low, descriptor.high, upper);
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
  const address = descriptorAddress(cpu, selector);
  if (address !== undefined) cpu.linear.write(address + 5n, 1, attributes & 0xff, IMPLICIT);
  return !cpu.faulted;
}

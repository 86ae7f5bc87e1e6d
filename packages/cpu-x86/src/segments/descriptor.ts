// Segment, system and gate descriptors as they lie in GDT, LDT and IDT. SDM vol. 3A, "Segment Descriptors", "System
// Descriptor Types", "Call Gates", "IDT Descriptors", "Call Gates in IA-32e Mode", "64-Bit Mode IDT".
import { SEG } from "../state/bits.ts";

/** Type field of descriptors with S = 0. In IA-32e mode the 32-bit types mean the 64-bit things. */
export const SYSTEM_TYPE = {
  tss16Available: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32Available: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

/** The bit that tells a busy TSS from an available one. */
export const TSS_BUSY = 2;
/** The bit that tells 32-bit (64-bit) TSSs and gates from 16-bit ones. */
export const TYPE_32 = 8;

/** A code, data or system segment descriptor. */
export interface Descriptor {
  /** Bits 31:0 and 63:32 as they lie in memory. */
  readonly low: number;
  readonly high: number;
  /** Access rights in the layout of {@link SEG}. */
  readonly attributes: number;
  /** Bits 31:0 of the base, and bits 63:32, which only system segments of IA-32e mode have. */
  readonly base: number;
  readonly baseHigh: number;
  /** Last offset (of expand-down segments: last that is outside), scaled by G. */
  readonly limit: number;
}

/** A call, task, interrupt or trap gate. */
export interface Gate {
  /** Type, S, DPL and P, where {@link SEG} has them. */
  readonly attributes: number;
  readonly selector: number;
  /** Bits 31:0 of the entry point, and bits 63:32, which only gates of IA-32e mode have. */
  readonly offset: number;
  readonly offsetHigh: number;
  /** Call gates: number of stack parameters to copy. */
  readonly parameters: number;
  /** Interrupt and trap gates in IA-32e mode: interrupt stack table index, 0: none. */
  readonly ist: number;
}

/** @param baseHigh bits 63:32 of the base, from the second half of a 16-byte descriptor. */
export function parseDescriptor(low: number, high: number, baseHigh = 0): Descriptor {
  const raw = (high & 0xf_0000) | (low & 0xffff);
  const attributes = (high >>> 8) & 0xf0ff;
  return {
    low,
    high,
    attributes,
    base: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0,
    baseHigh,
    limit: (attributes & SEG.G) !== 0 ? ((raw << 12) | 0xfff) >>> 0 : raw,
  };
}

/** @param offsetHigh bits 63:32 of the offset, from the second half of a 16-byte gate. */
export function parseGate(low: number, high: number, offsetHigh = 0): Gate {
  const attributes = (high >>> 8) & 0xff;
  const wide = (attributes & TYPE_32) !== 0;
  return {
    attributes,
    selector: low >>> 16,
    offset: wide ? ((high & 0xffff_0000) | (low & 0xffff)) >>> 0 : low & 0xffff,
    offsetHigh,
    parameters: high & 0x1f,
    ist: high & 7,
  };
}

export function dplOf(attributes: number): number {
  return (attributes >>> SEG.dplShift) & 3;
}

export function isPresent(attributes: number): boolean {
  return (attributes & SEG.P) !== 0;
}

/** A code or data segment, not a system descriptor. */
export function isSegment(attributes: number): boolean {
  return (attributes & SEG.S) !== 0;
}

export function isCode(attributes: number): boolean {
  return (attributes & (SEG.S | SEG.CODE)) === (SEG.S | SEG.CODE);
}

export function isConforming(attributes: number): boolean {
  return (attributes & (SEG.S | SEG.CODE | SEG.CONFORMING)) === (SEG.S | SEG.CODE | SEG.CONFORMING);
}

export function isWritableData(attributes: number): boolean {
  return (attributes & (SEG.S | SEG.CODE | SEG.WRITABLE)) === (SEG.S | SEG.WRITABLE);
}

/** Data, or code that may also be read. */
export function isReadable(attributes: number): boolean {
  return isSegment(attributes) && (attributes & (SEG.CODE | SEG.READABLE)) !== SEG.CODE;
}

/** Type of a system descriptor, see {@link SYSTEM_TYPE}; -1 for code and data. */
export function systemTypeOf(attributes: number): number {
  return isSegment(attributes) ? -1 : attributes & SEG.typeMask;
}

/** Index and table indicator are zero. RPL does not matter. */
export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

// Segment caches (the hidden part of segment registers) and everything derived from them. Nothing here checks.
//
// Invariants:
// 1. segReadFirst..segWriteLast always follow from limit and attributes.
// 2. After any change of CS, SS, DS, ES, CPL, CR0.PE, CR4.CET, EFER.LMA, RFLAGS.VM or the controls of CET, `recomputeMode`
//    runs before code does.
// 3. Outside real mode, DPL in the attributes of SS is CPL.
import { deriveEnforcement } from "../cet/controls.ts";
import { CR0, CR4, FLAG, SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import { type Descriptor, isReadable, isWritableData } from "./descriptor.ts";

/** Present, writable, accessed data: what segment registers hold in real mode. */
export const REAL_ATTRIBUTES = 0x93;
/** The same with DPL 3: virtual-8086 mode. */
export const VM86_ATTRIBUTES = 0xf3;

/** Loads all of one cache; `segment` is a value of SEGMENT. */
export function setSegmentCache(
  cpu: Cpu,
  segment: number,
  selector: number,
  base: number,
  limit: number,
  attributes: number,
  baseHigh = 0,
): void {
  cpu.set32(AT.segSelector, selector, segment);
  cpu.set32(AT.segAttributes, attributes, segment);
  cpu.setHalves(AT.segBase, base, baseHigh, segment);
  cpu.set32(AT.segLimit, limit, segment);
  deriveRanges(cpu, segment);
}

/** Loads a cache from a checked descriptor. The accessed bit counts as set. */
export function setSegment(cpu: Cpu, segment: number, selector: number, descriptor: Descriptor): void {
  const accessed = descriptor.attributes & SEG.S ? SEG.ACCESSED : 0;
  const { base, baseHigh, limit, attributes } = descriptor;
  setSegmentCache(cpu, segment, selector, base, limit, attributes | accessed, baseHigh);
}

/** A null selector was loaded: any access through it faults. @param dpl kept for SS, whose DPL is CPL. */
export function setNullSegment(cpu: Cpu, segment: number, selector: number, dpl = 0): void {
  setSegmentCache(cpu, segment, selector, 0, 0, SEG.UNUSABLE | (dpl << SEG.dplShift));
}

/** What a return to less privilege does to segments of more: the base stays, and 64-bit code goes on using that of FS and GS. */
export function invalidateSegment(cpu: Cpu, segment: number): void {
  const [low, high] = [cpu.low(AT.segBase, segment), cpu.high(AT.segBase, segment)];
  setSegmentCache(cpu, segment, 0, low, 0, SEG.UNUSABLE, high);
}

/**
 * Real and virtual-8086 mode: the base is the selector times 16. Real mode keeps limit, granularity and size ("unreal"
 * mode depends on that); virtual-8086 mode fixes them.
 */
export function setRealSegment(cpu: Cpu, segment: number, selector: number): void {
  const base = selector << 4;
  if (cpu.vm86) {
    setSegmentCache(cpu, segment, selector, base, 0xffff, VM86_ATTRIBUTES);
    return;
  }
  const kept = cpu.get32(AT.segAttributes, segment) & (SEG.G | SEG.DB | SEG.AVL);
  setSegmentCache(cpu, segment, selector, base, cpu.get32(AT.segLimit, segment), REAL_ATTRIBUTES | kept);
}

/** Offsets that may be accessed: first and last byte; first > last: none. */
export interface OffsetRange {
  readonly first: number;
  readonly last: number;
}

const NO_OFFSETS: OffsetRange = { first: 1, last: 0 };

/** The offsets inside the limit. SDM vol. 3A, "Limit Checking". */
export function offsetsWithin(attributes: number, limit: number): OffsetRange {
  if ((attributes & (SEG.UNUSABLE | SEG.P)) !== SEG.P) return NO_OFFSETS;
  const expandDown = (attributes & (SEG.CODE | SEG.EXPAND_DOWN)) === SEG.EXPAND_DOWN;
  if (!expandDown) return { first: 0, last: limit };
  const last = (attributes & SEG.DB) !== 0 ? 0xffff_ffff : 0xffff;
  return limit >= last ? NO_OFFSETS : { first: limit + 1, last };
}

/** Derives the ranges of a cache from its limit and attributes. */
export function deriveRanges(cpu: Cpu, segment: number): void {
  const attributes = cpu.get32(AT.segAttributes, segment);
  const within = offsetsWithin(attributes, cpu.get32(AT.segLimit, segment));
  const read = isReadable(attributes) ? within : NO_OFFSETS;
  const write = isWritableData(attributes) ? within : NO_OFFSETS;
  cpu.setLow(AT.segReadFirst, read.first, segment);
  cpu.setLow(AT.segReadLast, read.last, segment);
  cpu.setLow(AT.segWriteFirst, write.first, segment);
  cpu.setLow(AT.segWriteLast, write.last, segment);
}

/** CS and its privilege, which come together. The caller recomputes the mode. */
export function setCodeSegment(cpu: Cpu, selector: number, descriptor: Descriptor, cpl: number): void {
  cpu.set32(AT.cpl, cpl);
  setSegment(cpu, SEGMENT.cs, (selector & 0xfffc) | cpl, descriptor);
}

/**
 * Derives `mode` from CS, SS, CR0.PE, EFER.LMA, RFLAGS.VM and the controls of CET, and from that and CPL the keys of decoded
 * code.
 */
export function recomputeMode(cpu: Cpu): void {
  const enforced = (cpu.low(AT.cr4) & CR4.CET) === 0 ? 0 : deriveEnforcement(cpu);
  cpu.set32(AT.mode, modeOf(cpu) | enforced);
  cpu.linear.contextChanged();
}

function modeOf(cpu: Cpu): number {
  const cs = cpu.get32(AT.segAttributes, SEGMENT.cs);
  if (cpu.longMode && (cs & SEG.L) !== 0) return MODE.code64;
  const code = (cs & SEG.DB) !== 0 ? MODE.code32 : MODE.code16;
  const stack = (cpu.get32(AT.segAttributes, SEGMENT.ss) & SEG.DB) !== 0 ? MODE.stack32 : 0;
  if ((cpu.low(AT.cr0) & CR0.PE) === 0 || (cpu.get32(AT.rflags) & FLAG.VM) !== 0) {
    return code | stack | MODE.realAddressing;
  }
  return code | stack | (code === MODE.code32 && isFlat(cpu) ? MODE.flat : 0);
}

function isFlat(cpu: Cpu): boolean {
  return (
    spansAll(cpu, SEGMENT.cs, AT.segReadLast) &&
    spansAll(cpu, SEGMENT.ss, AT.segWriteLast) &&
    spansAll(cpu, SEGMENT.ds, AT.segWriteLast) &&
    spansAll(cpu, SEGMENT.es, AT.segWriteLast)
  );
}

/** Base 0 and every offset allowed; `lastAt`: which of the derived ends to look at. */
function spansAll(cpu: Cpu, segment: number, lastAt: number): boolean {
  const { u32 } = cpu;
  const first = u32[(lastAt === AT.segReadLast ? AT.segReadFirst : AT.segWriteFirst) / 4 + segment * 2];
  return cpu.low(AT.segBase, segment) === 0 && first === 0 && u32[lastAt / 4 + segment * 2] === 0xffff_ffff;
}

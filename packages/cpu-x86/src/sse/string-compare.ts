// PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM. SDM vol. 2B, "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM /
// PCMPISTRI / PCMPISTRM"; names of the control's parts and of the intermediate results are the manual's.
import { FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { FLOAT_SLOT } from "./float-helper.ts";

/** Bits of the control byte. */
export const WORDS = 1;
export const SIGNED = 2;
export const AGGREGATION = {
  equalAny: 0 << 2,
  ranges: 1 << 2,
  equalEach: 2 << 2,
  equalOrdered: 3 << 2,
  mask: 3 << 2,
} as const;
export const NEGATIVE = 1 << 4;
export const MASKED = 1 << 5;
export const MOST_SIGNIFICANT = 1 << 6;
export const EXPANDED = 1 << 6;

/** Added to the control byte by generated code: lengths are given, not found by their zero. */
export const EXPLICIT_LENGTHS = 1 << 8;
/** Where generated code finds the results: a general register's value, EFLAGS, a vector. */
export const STRING_RESULT = { index: 0, flags: 8, mask: FLOAT_SLOT.result } as const;

/** One side: its elements as numbers and how many of them count. */
interface Text {
  readonly elements: Int32Array;
  length: number;
}
const first: Text = { elements: new Int32Array(16), length: 0 };
const second: Text = { elements: new Int32Array(16), length: 0 };

/**
 * All four instructions. Arguments: the control byte with {@link EXPLICIT_LENGTHS}; lengths, the first in bits 7:0, the
 * second in bits 15:8, at most 16 each. Operands and results are in `helperArgs`.
 */
export function sseCompareStrings(cpu: Cpu): HelperResult {
  const control = cpu.arg32(0);
  const lengths = cpu.arg32(1);
  const count = (control & WORDS) !== 0 ? 8 : 16;
  load(cpu, first, AT.helperArgs + FLOAT_SLOT.x, control, lengths & 0xff);
  load(cpu, second, AT.helperArgs + FLOAT_SLOT.y, control, lengths >> 8);
  const result = applyPolarity(aggregate(first, second, control, count), second, control, count);
  const { view } = cpu;
  view.setBigUint64(AT.helperArgs + STRING_RESULT.index, BigInt(indexOf(result, control, count)), true);
  view.setBigUint64(AT.helperArgs + STRING_RESULT.flags, BigInt(flagsOf(result, count)), true);
  writeMask(cpu, result, control, count);
  return HELPER.next;
}

/** Reads the elements and finds the length. */
function load(cpu: Cpu, text: Text, at: number, control: number, given: number): void {
  const { view } = cpu;
  const words = (control & WORDS) !== 0;
  const count = words ? 8 : 16;
  const signed = (control & SIGNED) !== 0;
  for (let i = 0; i < count; i++) {
    if (words) text.elements[i] = signed ? view.getInt16(at + i * 2, true) : view.getUint16(at + i * 2, true);
    else text.elements[i] = signed ? view.getInt8(at + i) : view.getUint8(at + i);
  }
  const end = text.elements.indexOf(0);
  text.length = (control & EXPLICIT_LENGTHS) !== 0 ? Math.min(given, count) : end < 0 || end > count ? count : end;
}

/** IntRes1: a bit for each element of the second operand. Elements past the end count as the manual's table has it. */
function aggregate(set: Text, text: Text, control: number, count: number): number {
  switch (control & AGGREGATION.mask) {
    case AGGREGATION.equalAny:
      return bitsWhere(text.length, (i) => contains(set, text.elements[i] as number));
    case AGGREGATION.ranges:
      return bitsWhere(text.length, (i) => isInRanges(set, text.elements[i] as number));
    case AGGREGATION.equalEach:
      // Two ends are equal, an end and an element are not.
      return bitsWhere(count, (i) =>
        i < set.length && i < text.length ? set.elements[i] === text.elements[i] : i >= set.length && i >= text.length,
      );
    default:
      return bitsWhere(count, (i) => startsAt(set, text, i, count));
  }
}

function bitsWhere(count: number, holds: (index: number) => boolean): number {
  let bits = 0;
  for (let i = 0; i < count; i++) if (holds(i)) bits |= 1 << i;
  return bits;
}

function contains(set: Text, value: number): boolean {
  for (let i = 0; i < set.length; i++) if (set.elements[i] === value) return true;
  return false;
}

/** Pairs are bounds, both included; a pair cut short by the end is none. */
function isInRanges(set: Text, value: number): boolean {
  for (let i = 0; i + 1 < set.length; i += 2)
    if ((set.elements[i] as number) <= value && value <= (set.elements[i + 1] as number)) return true;
  return false;
}

/** The first operand occurs at `start` of the second one, as far as the vector shows. */
function startsAt(needle: Text, text: Text, start: number, count: number): boolean {
  for (let i = 0; i < needle.length && start + i < count; i++)
    if (start + i >= text.length || needle.elements[i] !== text.elements[start + i]) return false;
  return true;
}

/** IntRes2. */
function applyPolarity(result: number, text: Text, control: number, count: number): number {
  if ((control & NEGATIVE) === 0) return result;
  const inverted = (control & MASKED) !== 0 ? text.length : count;
  return result ^ ((1 << inverted) - 1);
}

function indexOf(result: number, control: number, count: number): number {
  if (result === 0) return count;
  return (control & MOST_SIGNIFICANT) !== 0 ? 31 - Math.clz32(result) : 31 - Math.clz32(result & -result);
}

function flagsOf(result: number, count: number): number {
  return (
    (result !== 0 ? FLAG.CF : 0) |
    (second.length < count ? FLAG.ZF : 0) |
    (first.length < count ? FLAG.SF : 0) |
    ((result & 1) !== 0 ? FLAG.OF : 0)
  );
}

/** The bits themselves, or as many bytes or words of ones. */
function writeMask({ view }: Cpu, result: number, control: number, count: number): void {
  const at = AT.helperArgs + STRING_RESULT.mask;
  for (let i = 0; i < 4; i++) view.setUint32(at + i * 4, 0, true);
  if ((control & EXPANDED) === 0) {
    view.setUint16(at, result, true);
    return;
  }
  const bytes = 16 / count;
  for (let i = 0; i < 16; i++) if ((result >> Math.trunc(i / bytes)) & 1) view.setUint8(at + i, 0xff);
}

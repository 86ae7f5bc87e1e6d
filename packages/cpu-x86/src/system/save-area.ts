// The area of FXSAVE and XSAVE in guest memory, side by side in the host's: where it is, or in the staging area, if it is in frames that
// are not neighbours or in pages that are no plain memory (devices, ROM, decoded code).
//
// Invariants:
// 1. An area is within a page or crosses into one more, and none of its aligned 16 bytes are in both.
// 2. Once an area is open, nothing that is done with it can fault.
import type { ACCESS_WRITE } from "@tsvm/mmu";
import { NOT_PLAIN } from "../memory/linear-memory.ts";
import { isCanonicalHigh } from "../segments/canonical.ts";
import type { Cpu } from "../state/cpu.ts";
import { SEGMENT } from "../state/layout.ts";
import { STAGING } from "../state/memory-map.ts";

const PAGE = 4096;
/** What is moved at a time to and from pages that are not plain memory. */
const CHUNK = 64;

/** A part of an area, in one page. */
interface Part {
  /** Where it is in plain memory, or NOT_PLAIN. */
  hva: number;
  gpa: number;
  /** Its bytes, from the area's first one. */
  from: number;
  to: number;
}

/** One area at a time: an instruction opens it, and every later one opens it anew. */
export class SaveArea {
  /** hva of the first byte, valid while it is open. */
  at = 0;
  readonly #first: Part = { hva: 0, gpa: 0, from: 0, to: 0 };
  readonly #second: Part = { hva: 0, gpa: 0, from: 0, to: 0 };

  /**
   * Finds `length` bytes, a page at most, at a canonical linear address that is a multiple of 16.
   * @param access ACCESS_WRITE if they are to be written, with ACCESS_USER or ACCESS_AC. @returns false: exception pending.
   */
  open(cpu: Cpu, low: number, high: number, length: number, access: number): boolean {
    const split = Math.min(PAGE - (low & 0xfff), length);
    const [first, second] = [this.#first, this.#second];
    if (!find(cpu, first, low, high, access, 0, split)) return false;
    const nextLow = (low + split) | 0;
    const nextHigh = nextLow === 0 && cpu.longMode ? (high + 1) | 0 : high;
    if (split === length) second.from = second.to = length;
    else if (!find(cpu, second, nextLow, nextHigh, access, split, length)) return false;
    const isWhole = split === length || second.hva === first.hva + split;
    this.at = first.hva !== NOT_PLAIN && isWhole ? first.hva : STAGING;
    if (this.at === STAGING) for (const part of [first, second]) stage(cpu, part, false);
    return true;
  }

  /** Index in `Cpu.u32` of the word at byte `at`. */
  word(at: number): number {
    return (this.at + at) >>> 2;
  }

  /** After it was written: puts what is staged into its place. */
  commit(cpu: Cpu): void {
    if (this.at === STAGING) for (const part of [this.#first, this.#second]) stage(cpu, part, true);
  }
}

function find(cpu: Cpu, part: Part, low: number, high: number, access: number, from: number, to: number): boolean {
  part.hva = cpu.linear.locate(low, high, access);
  part.gpa = cpu.walker.gfn * PAGE + (low & 0xfff);
  part.from = from;
  part.to = to;
  return part.hva !== 0;
}

/** Moves a part between its place and the staging area. */
function stage(cpu: Cpu, { hva, gpa, from, to }: Part, store: boolean): void {
  if (hva !== NOT_PLAIN) {
    if (store) cpu.u8.copyWithin(hva, STAGING + from, STAGING + to);
    else cpu.u8.copyWithin(STAGING + from, hva, hva + to - from);
    return;
  }
  const { physical } = cpu.host;
  for (let at = from; at < to; at += CHUNK) {
    const size = Math.min(CHUNK, to - at);
    if (store) physical.store(gpa + at - from, size, STAGING + at);
    else physical.load(gpa + at - from, size, STAGING + at);
  }
}

/** The area of the instruction that is being executed. */
export const area: SaveArea = new SaveArea();

/**
 * Opens the area for the operand of the current helper call: linear address, operand size, segment.
 * @param access 0, or ACCESS_WRITE. @returns false: exception pending.
 */
export function openOperand(cpu: Cpu, length: number, access: 0 | typeof ACCESS_WRITE): boolean {
  return area.open(cpu, cpu.arg32(0) | 0, cpu.argHigh(0) | 0, length, cpu.explicitAccess | access);
}

/**
 * In the stack segment an address that is not canonical is #SS, else #GP. @param high bits 63:32 of the linear address.
 * @returns false: exception pending.
 */
export function isOperandCanonical(cpu: Cpu, high: number, segment: number): boolean {
  if (!cpu.code64 || isCanonicalHigh(cpu, cpu.linear.maskedHigh(high | 0))) return true;
  cpu.raise(segment === SEGMENT.ss ? "SS" : "GP", 0);
  return false;
}

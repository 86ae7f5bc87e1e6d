// The area of FXSAVE and XSAVE in guest memory, as 32-bit words. Words in plain memory are read and written where they are;
// those of other pages (devices, ROM, decoded code) are moved by way of the staging area.
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
/** No part is staged. */
const NONE = -1;

/** One area at a time: an instruction opens it, and every later one opens it anew. */
export class SaveArea {
  /** All of the WebAssembly memory. */
  words: Uint32Array = new Uint32Array(0);
  /** hva of byte 0, and of where byte 0 would be if the area were all where its second page is. */
  #first = 0;
  #second = 0;
  /** Bytes on the first page, and all of them. */
  #split = 0;
  #length = 0;
  /** Guest physical addresses of the parts that are staged, else NONE. */
  #firstGpa = NONE;
  #secondGpa = NONE;

  /**
   * Finds `length` bytes, a page at most, at a canonical linear address that is a multiple of 16.
   * @param access ACCESS_WRITE if they are to be written, with ACCESS_USER or ACCESS_AC. @returns false: exception pending.
   */
  open(cpu: Cpu, low: number, high: number, length: number, access: number): boolean {
    const split = PAGE - (low & 0xfff);
    this.words = cpu.u32;
    this.#length = length;
    this.#split = Math.min(split, length);
    const first = cpu.linear.locate(low, high, access);
    if (first === 0) return false;
    this.#firstGpa = first === NOT_PLAIN ? cpu.walker.gfn * PAGE + (low & 0xfff) : NONE;
    this.#first = first === NOT_PLAIN ? STAGING : first;
    this.#secondGpa = NONE;
    if (split < length && !this.#openSecond(cpu, low, high, access)) return false;
    if (this.#firstGpa !== NONE) move(cpu, false, this.#firstGpa, 0, this.#split);
    if (this.#secondGpa !== NONE) move(cpu, false, this.#secondGpa, this.#split, length);
    return true;
  }

  #openSecond(cpu: Cpu, low: number, high: number, access: number): boolean {
    const nextLow = (low + this.#split) | 0;
    const nextHigh = nextLow === 0 && cpu.longMode ? (high + 1) | 0 : high;
    const second = cpu.linear.locate(nextLow, nextHigh, access);
    if (second === 0) return false;
    this.#secondGpa = second === NOT_PLAIN ? cpu.walker.gfn * PAGE : NONE;
    this.#second = second === NOT_PLAIN ? STAGING : second - this.#split;
    return true;
  }

  /** Index in `words` of the word at byte `at`; the others of the same aligned 16 bytes follow. */
  word(at: number): number {
    return this.host(at) >>> 2;
  }

  /** hva of byte `at`. */
  host(at: number): number {
    return (at < this.#split ? this.#first : this.#second) + at;
  }

  /** How many of `count` pieces of `length` bytes each, from byte `at` on, are on the first page: the others are on the second. */
  piecesOnFirstPage(at: number, length: number, count: number): number {
    if (at >= this.#split) return 0;
    return Math.min((this.#split - at) / length, count);
  }

  /** After words were written: puts those that are staged into their places. */
  commit(cpu: Cpu): void {
    if (this.#firstGpa !== NONE) move(cpu, true, this.#firstGpa, 0, this.#split);
    if (this.#secondGpa !== NONE) move(cpu, true, this.#secondGpa, this.#split, this.#length);
  }
}

/** Moves bytes `from` to `to` of the area, of which the first is at `gpa`, between memory and staging area. */
function move(cpu: Cpu, store: boolean, gpa: number, from: number, to: number): void {
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

// The tables of the soft TLB as TypeScript fills and clears them; tcg's softmmu/tlb-layout.ts says what an entry is.
//
// Invariants:
// 1. An address has one entry of each table in a context; contexts say by their upper bits where.
// 2. Context 0 is never current: the low half of an address with an entry's index in it makes the entry one that nothing
//    matches.
// 3. Entries are of 4 KiB; those of a large page may stand anywhere, so the places of large pages are remembered.
// 4. Entries of such places are listed, as long as they are few.
// 5. Whatever entry lets a frame be written stands where the frame's two marks say, or they say that it may be anywhere.
import {
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_FRAME,
  TLB_INDEX_MASK,
  TLB_INDEX_SHIFT,
  TLB_TABLE_BYTES,
} from "@tsvm/tcg";
import type { Cpu } from "../state/cpu.ts";
import { TLB_READ, TLB_WRITE } from "../state/memory-map.ts";

const PAGE_BYTES = 4096;
const PAGE_MASK = ~0xfff;
/** The largest page there is; INVLPG of a large page drops all entries of the GiB around it. */
export const GIB_MASK: number = ~0x3fff_ffff;
/** Room for marks of large pages, by the number of the 2 MiB they are in; a hash, so a mark may mean another place. */
const LARGE_MARKS = 1 << 16;
/** log2 of the pages of 2 MiB. */
const LARGE_SHIFT = 9;
/** So many places of the tables are looked at one by one for a large page; if there are more, the tables are. */
const MAX_LISTED = 1024;
/** The second mark of a frame with entries at more than two places. */
const ANYWHERE = 0xffff;

export class SoftTlb {
  readonly #cpu: Pick<Cpu, "i32" | "u8">;
  readonly #large = new Uint8Array(LARGE_MARKS);
  #marked = false;
  /** Offsets in the tables where entries of large pages may be; some more than once. */
  readonly #listed = new Int32Array(MAX_LISTED);
  #listedCount = 0;
  /**
   * By frame, two marks each: 0, or 1 + the number of an entry that lets it be written; the second may be ANYWHERE. Entries may be
   * gone meanwhile.
   */
  readonly #writable: Uint16Array;
  /** Entries made; for the counters of the facade. */
  fills = 0;

  constructor(cpu: Pick<Cpu, "i32" | "u8">) {
    this.#cpu = cpu;
    this.#writable = new Uint16Array(2 * Math.ceil(cpu.u8.length / PAGE_BYTES));
    this.clear();
  }

  /** @returns hva of the address if the table has its page, else 0. Halves are signed. */
  lookup(table: number, low: number, high: number, context: number): number {
    const { i32 } = this.#cpu;
    const at = (table + offsetOf(low, context)) >> 2;
    if (i32[at] !== (low & PAGE_MASK) || i32[at + 1] !== high) return 0;
    return (low + (i32[at + 2] as number)) >>> 0;
  }

  /** Makes the entry of the page of an address; `hva`: where the page is. */
  fill(table: number, low: number, high: number, hva: number, context: number): void {
    this.fills++;
    const { i32 } = this.#cpu;
    const offset = offsetOf(low, context);
    const at = (table + offset) >> 2;
    i32[at] = low & PAGE_MASK;
    i32[at + 1] = high;
    i32[at + (TLB_ADDEND >> 2)] = hva - (low & PAGE_MASK);
    i32[at + (TLB_FRAME >> 2)] = hva;
    if (table === TLB_WRITE) this.#noteWritable(hva, 1 + offset / TLB_ENTRY_BYTES);
    if (this.#marked && this.isScattered(low, high)) this.#list(offset);
  }

  #noteWritable(frameHva: number, mark: number): void {
    const at = (frameHva / PAGE_BYTES) * 2;
    const marks = this.#writable;
    if (marks[at] === mark || marks[at + 1] === mark || marks[at + 1] === ANYWHERE) return;
    if (!this.#isOf(marks[at] as number, frameHva)) marks[at] = mark;
    else marks[at + 1] = this.#isOf(marks[at + 1] as number, frameHva) ? ANYWHERE : mark;
  }

  /** Whether there is an entry at a mark that lets a frame be written. */
  #isOf(mark: number, frameHva: number): boolean {
    if (mark === 0) return false;
    const offset = (mark - 1) * TLB_ENTRY_BYTES;
    const at = (TLB_WRITE + offset) >> 2;
    const { i32 } = this.#cpu;
    return i32[at + (TLB_FRAME >> 2)] === (frameHva | 0) && i32[at] !== emptyTag(offset);
  }

  /** A page of 2^`shift` bytes was translated of which entries may be made. */
  noteLargePage(low: number, high: number, shift: number): void {
    const place = placeOf(low, high);
    if (this.#large[place & (LARGE_MARKS - 1)] !== 0) return;
    this.#marked = true;
    const places = shift <= 21 ? 1 : 2 ** (shift - 21);
    const first = place - (place % places);
    for (let i = 0; i < places; i++) this.#large[(first + i) & (LARGE_MARKS - 1)] = 1;
  }

  /** The entry just made of this page may be in a place that an INVLPG of it would not look at. */
  noteScattered(low: number, high: number, context: number): void {
    this.#marked = true;
    this.#large[placeOf(low, high) & (LARGE_MARKS - 1)] = 1;
    this.#list(offsetOf(low, context));
  }

  #list(offset: number): void {
    if (this.#listedCount < MAX_LISTED) this.#listed[this.#listedCount] = offset;
    this.#listedCount++;
  }

  /** Whether INVLPG of the address has to look at all entries. */
  isScattered(low: number, high: number): boolean {
    return this.#large[placeOf(low, high) & (LARGE_MARKS - 1)] !== 0;
  }

  /** Drops the entry at an offset that {@link offsetOf} gave, of both tables. */
  dropAt(offset: number): void {
    const { i32 } = this.#cpu;
    i32[(TLB_READ + offset) >> 2] = emptyTag(offset);
    i32[(TLB_WRITE + offset) >> 2] = emptyTag(offset);
  }

  /** Drops the entries of large pages in the same GiB, in every context. */
  dropGib(low: number, high: number): void {
    const isWhole = this.#listedCount <= MAX_LISTED;
    const count = isWhole ? this.#listedCount : TLB_ENTRIES;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const offset = isWhole ? (this.#listed[i] as number) : i * TLB_ENTRY_BYTES;
      const read = this.#dropWithin(TLB_READ, offset, low & GIB_MASK, high);
      const write = this.#dropWithin(TLB_WRITE, offset, low & GIB_MASK, high);
      if (!read && !write) continue;
      if (kept < MAX_LISTED) this.#listed[kept] = offset;
      kept++;
    }
    this.#listedCount = kept;
  }

  /** @returns whether there is an entry afterwards. */
  #dropWithin(table: number, offset: number, wanted: number, high: number): boolean {
    const { i32 } = this.#cpu;
    const at = (table + offset) >> 2;
    const tag = i32[at] as number;
    const empty = emptyTag(offset);
    if ((tag & GIB_MASK) !== wanted || i32[at + 1] !== high) return tag !== empty;
    i32[at] = empty;
    return false;
  }

  /** The frame at `frameHva` may not be written from now on. */
  dropWritesTo(frameHva: number): void {
    const at = (frameHva / PAGE_BYTES) * 2;
    const [first, second] = [this.#writable[at] as number, this.#writable[at + 1] as number];
    this.#writable[at] = 0;
    this.#writable[at + 1] = 0;
    if (second === ANYWHERE) this.#dropWrites(frameHva, 0, TLB_ENTRIES);
    else {
      if (first !== 0) this.#dropWrites(frameHva, first - 1, 1);
      if (second !== 0) this.#dropWrites(frameHva, second - 1, 1);
    }
  }

  #dropWrites(frameHva: number, first: number, count: number): void {
    const { i32 } = this.#cpu;
    const end = (first + count) * TLB_ENTRY_BYTES;
    for (let offset = first * TLB_ENTRY_BYTES; offset < end; offset += TLB_ENTRY_BYTES) {
      const at = (TLB_WRITE + offset) >> 2;
      if (i32[at + (TLB_FRAME >> 2)] === (frameHva | 0)) i32[at] = emptyTag(offset);
    }
  }

  /** Forgets where large pages are; only when no entry can be used any more. */
  forgetLargePages(): void {
    if (this.#marked) this.#large.fill(0);
    this.#marked = false;
    this.#listedCount = 0;
  }

  clear(): void {
    for (let offset = 0; offset < TLB_TABLE_BYTES; offset += TLB_ENTRY_BYTES) this.dropAt(offset);
    this.forgetLargePages();
  }
}

/** Byte offset of the entry of an address in each table. */
export function offsetOf(low: number, context: number): number {
  return ((low ^ context) >>> TLB_INDEX_SHIFT) & TLB_INDEX_MASK;
}

/** The low half of a tag that nothing matches, for the entry at an offset. */
function emptyTag(offset: number): number {
  return offset << TLB_INDEX_SHIFT;
}

/** Number of the 2 MiB around an address. */
function placeOf(low: number, high: number): number {
  return (high >>> 0) * (0x10_0000 >> LARGE_SHIFT) + (low >>> (12 + LARGE_SHIFT));
}

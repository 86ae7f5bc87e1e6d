// What is known of where code is: the jump cache, and which pages were translated for instruction fetches.
import { jumpCacheIndex } from "../interpreter/jump-cache.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { JUMP_CACHE, JUMP_CACHE_ENTRIES, SCRATCH_RECORDS } from "../state/memory-map.ts";
import { GIB_MASK } from "./soft-tlb.ts";

/** Room for marks of pages with code, by page number; a hash, so a mark may mean another page. */
const CODE_MARKS = 1 << 16;
/** The jump key: TLB context in bits 11:0, mode in 16:12, number of the code segment's base in 31:17. */
export const JUMP_KEY_MODE_SHIFT = 12;
export const JUMP_KEY_BASE_SHIFT = 17;
const PAGE_MASK = ~0xfff;
/** Entries that code of one page may have: a block of the cache. */
const PAGE_ENTRIES = 4096;
const ENTRY_WORDS = 4;
/** So many entries are cleared one by one; if there are more, the table is. */
const MAX_LISTED = 2048;

export class CodeTranslations {
  readonly #cpu: Pick<Cpu, "i32">;
  readonly #marks = new Uint8Array(CODE_MARKS);
  /** Changes whenever fetch translations have to be made anew. */
  generation = 0;
  /** There may be code in segments with a base, whose rip is no linear address. */
  hasBases = false;
  /** Words where entries were made since the table was empty. */
  readonly #entered = new Int32Array(MAX_LISTED);
  #enteredCount = 0;

  constructor(cpu: Pick<Cpu, "i32">) {
    this.#cpu = cpu;
  }

  /** A page was translated for a fetch. */
  note(low: number): void {
    this.#marks[(low >>> 12) & (CODE_MARKS - 1)] = 1;
  }

  /** Makes the jump cache lead from a rip, in the current context, to a record. */
  enter(low: number, high: number, record: number): void {
    const { i32 } = this.#cpu;
    const at = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * ENTRY_WORDS;
    if (i32[at + 2] === 0) {
      if (this.#enteredCount < MAX_LISTED) this.#entered[this.#enteredCount] = at;
      this.#enteredCount++;
    }
    i32[at] = low;
    i32[at + 1] = high;
    i32[at + 2] = i32[AT.jumpKey >> 2] as number;
    i32[at + 3] = record;
  }

  /** Empties the jump cache. */
  clear(): void {
    const { i32 } = this.#cpu;
    const count = this.#enteredCount;
    if (count > MAX_LISTED) i32.fill(0, JUMP_CACHE >> 2, SCRATCH_RECORDS >> 2);
    else
      for (let i = 0; i < count; i++) {
        const at = this.#entered[i] as number;
        i32.fill(0, at, at + ENTRY_WORDS);
      }
    this.#enteredCount = 0;
  }

  /** INVLPG of a page of 4 KiB. */
  dropPage(low: number, high: number): void {
    if (this.#marks[(low >>> 12) & (CODE_MARKS - 1)] === 0) return;
    if (this.hasBases) this.#dropWithin(PAGE_MASK, low, high, 0, JUMP_CACHE_ENTRIES);
    else this.#dropWithin(PAGE_MASK, low, high, jumpCacheIndex(low) & PAGE_MASK, PAGE_ENTRIES);
  }

  /** INVLPG of a large page. */
  dropGib(low: number, high: number): void {
    this.#dropWithin(GIB_MASK, low, high, 0, JUMP_CACHE_ENTRIES);
  }

  /** Forgets everything. */
  drop(): void {
    this.generation++;
    this.hasBases = false;
    this.#marks.fill(0);
    this.clear();
  }

  /** Looks through `count` entries from `first` on. Those of segments with a base all go. */
  #dropWithin(mask: number, low: number, high: number, first: number, count: number): void {
    this.generation++;
    const { i32 } = this.#cpu;
    const wanted = low & mask;
    const start = (JUMP_CACHE >> 2) + first * ENTRY_WORDS;
    for (let at = start; at < start + count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const within = ((i32[at] as number) & mask) === wanted && i32[at + 1] === high;
      if (within || (i32[at + 2] as number) >>> JUMP_KEY_BASE_SHIFT !== 0) i32[at + 2] = 0;
    }
  }
}

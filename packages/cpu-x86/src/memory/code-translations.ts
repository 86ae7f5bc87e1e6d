// What is known of where code is: the jump cache, and which pages were translated for instruction fetches.
import { jumpCacheIndex } from "../interpreter/jump-cache.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { JUMP_CACHE, JUMP_CACHE_WAY, SCRATCH_RECORDS } from "../state/memory-map.ts";
import { GIB_MASK } from "./soft-tlb.ts";

/** Room for marks of pages with code, by page number; a hash, so a mark may mean another page. */
const CODE_MARKS = 1 << 16;
/** The jump key: TLB context in bits 11:0, mode in 19:12, number of the code segment's base in 31:20. */
export const JUMP_KEY_MODE_SHIFT = 12;
export const JUMP_KEY_BASE_SHIFT = 20;
const PAGE_MASK = ~0xfff;
/** Entries that code of one page may have: a block of the cache. */
const PAGE_ENTRIES = 4096;
const ENTRY_WORDS = 4;
const WAY_WORDS = JUMP_CACHE_WAY >> 2;
/** So many entries are looked at one by one; if there are more, the table is. */
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
    const key = i32[AT.jumpKey >> 2] as number;
    const at = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * ENTRY_WORDS;
    if (i32[at + 2] === 0) this.#list(at);
    else if (i32[at] !== low || i32[at + 1] !== high || i32[at + 2] !== key) this.#moveToSecondWay(at);
    i32[at] = low;
    i32[at + 1] = high;
    i32[at + 2] = key;
    i32[at + 3] = record;
  }

  /** Makes it lead nowhere. */
  leave(low: number, high: number): void {
    const { i32 } = this.#cpu;
    const key = i32[AT.jumpKey >> 2] as number;
    const first = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * ENTRY_WORDS;
    for (const at of [first, first + WAY_WORDS])
      if (i32[at] === low && i32[at + 1] === high && i32[at + 2] === key) i32[at + 2] = 0;
  }

  #moveToSecondWay(at: number): void {
    const { i32 } = this.#cpu;
    const second = at + WAY_WORDS;
    if (i32[second + 2] === 0) this.#list(second);
    for (let i = 0; i < ENTRY_WORDS; i++) i32[second + i] = i32[at + i] as number;
  }

  #list(at: number): void {
    if (this.#enteredCount < MAX_LISTED) this.#entered[this.#enteredCount] = at;
    this.#enteredCount++;
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
    this.generation++;
    if (this.#enteredCount <= MAX_LISTED) this.#dropListed(PAGE_MASK, low, high);
    else if (this.hasBases) this.#dropAnywhere(PAGE_MASK, low, high);
    else this.#dropInBlock(low, high);
  }

  /** INVLPG of a large page. */
  dropGib(low: number, high: number): void {
    this.generation++;
    if (this.#enteredCount <= MAX_LISTED) this.#dropListed(GIB_MASK, low, high);
    else this.#dropAnywhere(GIB_MASK, low, high);
  }

  /** Forgets everything. */
  drop(): void {
    this.generation++;
    this.hasBases = false;
    this.#marks.fill(0);
    this.clear();
  }

  /** Entries where the upper bits of the address are the same, and all of segments with a base; the others stay listed. */
  #dropListed(mask: number, low: number, high: number): void {
    let kept = 0;
    for (let i = 0; i < this.#enteredCount; i++) {
      const at = this.#entered[i] as number;
      if (!this.#dropEntry(at, mask, low & mask, high)) this.#entered[kept++] = at;
    }
    this.#enteredCount = kept;
  }

  /** The same where the list did not suffice; it is made anew. */
  #dropAnywhere(mask: number, low: number, high: number): void {
    const { i32 } = this.#cpu;
    let kept = 0;
    for (let at = JUMP_CACHE >> 2; at < SCRATCH_RECORDS >> 2; at += ENTRY_WORDS) {
      if (i32[at + 2] === 0 || this.#dropEntry(at, mask, low & mask, high)) continue;
      if (kept < MAX_LISTED) this.#entered[kept] = at;
      kept++;
    }
    this.#enteredCount = kept;
  }

  /** The same where only entries of one page are meant, and code has no base. */
  #dropInBlock(low: number, high: number): void {
    const start = (JUMP_CACHE >> 2) + (jumpCacheIndex(low) & PAGE_MASK) * ENTRY_WORDS;
    for (const way of [start, start + WAY_WORDS])
      for (let i = 0; i < PAGE_ENTRIES; i++) this.#dropEntry(way + i * ENTRY_WORDS, PAGE_MASK, low & PAGE_MASK, high);
  }

  /** @returns whether the entry had to go. */
  #dropEntry(at: number, mask: number, wanted: number, high: number): boolean {
    const { i32 } = this.#cpu;
    const within = ((i32[at] as number) & mask) === wanted && i32[at + 1] === high;
    if (!within && (i32[at + 2] as number) >>> JUMP_KEY_BASE_SHIFT === 0) return false;
    i32[at + 2] = 0;
    return true;
  }
}

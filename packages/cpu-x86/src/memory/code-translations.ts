// What is known of where code is: the jump cache, and which pages were translated for instruction fetches.
import type { Cpu } from "../state/cpu.ts";
import { JUMP_CACHE, SCRATCH_RECORDS } from "../state/memory-map.ts";
import { GIB_MASK } from "./soft-tlb.ts";

/** Room for marks of pages with code, by page number; a hash, so a mark may mean another page. */
const CODE_MARKS = 1 << 16;
/** The jump key: TLB context in bits 11:0, mode in 16:12, number of the code segment's base in 31:17. */
export const JUMP_KEY_MODE_SHIFT = 12;
export const JUMP_KEY_BASE_SHIFT = 17;
const PAGE_MASK = ~0xfff;
const ENTRY_WORDS = 4;

export class CodeTranslations {
  readonly #cpu: Pick<Cpu, "i32" | "u8">;
  readonly #marks = new Uint8Array(CODE_MARKS);
  /** Changes whenever fetch translations have to be made anew. */
  generation = 0;

  constructor(cpu: Pick<Cpu, "i32" | "u8">) {
    this.#cpu = cpu;
  }

  /** A page was translated for a fetch. */
  note(low: number): void {
    this.#marks[(low >>> 12) & (CODE_MARKS - 1)] = 1;
  }

  /** INVLPG of a page of 4 KiB. */
  dropPage(low: number, high: number): void {
    if (this.#marks[(low >>> 12) & (CODE_MARKS - 1)] !== 0) this.#dropWithin(PAGE_MASK, low, high);
  }

  /** INVLPG of a large page. */
  dropGib(low: number, high: number): void {
    this.#dropWithin(GIB_MASK, low, high);
  }

  /** Forgets everything. */
  drop(): void {
    this.generation++;
    this.#marks.fill(0);
    this.#cpu.u8.fill(0, JUMP_CACHE, SCRATCH_RECORDS);
  }

  /** In segments with a base, rip is no linear address: their entries all go. */
  #dropWithin(mask: number, low: number, high: number): void {
    this.generation++;
    const { i32 } = this.#cpu;
    const wanted = low & mask;
    for (let at = JUMP_CACHE >> 2; at < SCRATCH_RECORDS >> 2; at += ENTRY_WORDS) {
      const within = ((i32[at] as number) & mask) === wanted && i32[at + 1] === high;
      if (within || (i32[at + 2] as number) >>> JUMP_KEY_BASE_SHIFT !== 0) i32[at + 2] = 0;
    }
  }
}

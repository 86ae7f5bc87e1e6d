// What page walks see of guest memory. A walk reads eight words of four tables, most of them where the last one did: where
// the frames of tables are is remembered.
//
// Invariants:
// 1. What is remembered holds until `forget`, which every change of the memory map comes to by way of a flush.
// 2. Only where a frame is is remembered, never what is in it: walks see every store to a table.
import type { PteMemory } from "@tsvm/mmu";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Beside what a store has left in the bounce buffer before its walk. */
const PTE_BOUNCE = AT.bounce + 64;
const PAGE = 4096;
/** Frames that are remembered, by the low bits of their numbers; a power of two. */
const FRAMES = 256;
const NO_FRAME = -1;

/** Page-table entries as a walker loads and marks them. */
export class PageTables implements PteMemory {
  readonly #cpu: Cpu;
  readonly #gfns = new Float64Array(FRAMES).fill(NO_FRAME);
  /** hva of each of them. */
  readonly #hvas = new Uint32Array(FRAMES);

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  /** Frames may be elsewhere from now on, or be no memory any more. */
  forget(): void {
    this.#gfns.fill(NO_FRAME);
  }

  load32(gpa: number): number {
    const gfn = Math.floor(gpa / PAGE);
    const at = gfn & (FRAMES - 1);
    if (this.#gfns[at] !== gfn && !this.#find(gfn, at)) return -1;
    return this.#cpu.i32[((this.#hvas[at] as number) + (gpa - gfn * PAGE)) >>> 2] as number;
  }

  #find(gfn: number, at: number): boolean {
    const hva = this.#cpu.host.physical.readableFrame(gfn);
    if (hva < 0) return false;
    this.#gfns[at] = gfn;
    this.#hvas[at] = hva;
    return true;
  }

  /** Accessed and dirty bits are stores like others: not into ROM, and seen by the dirty log and by decoded code. */
  or32(gpa: number, bits: number): void {
    const { host, i32 } = this.#cpu;
    const { physical } = host;
    const gfn = Math.floor(gpa / PAGE);
    const frame = physical.writableFrame(gfn);
    if (frame >= 0) (i32[(frame + (gpa - gfn * PAGE)) >>> 2] as number) |= bits;
    else if (physical.readableFrame(gfn) >= 0) {
      physical.load(gpa, 4, PTE_BOUNCE);
      (i32[PTE_BOUNCE >> 2] as number) |= bits;
      physical.store(gpa, 4, PTE_BOUNCE);
    }
  }
}

import { PTE_A, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import type { FrameAllocator } from "./frame-allocator.ts";

/** The guest's way to its own memory: loads are free, a store of an entry may trap. */
export interface TablePort {
  load32(gpa: number): number;
  /** Replaces an entry of eight bytes. */
  storeEntry(gpa: number, low: number, high: number): void;
}

/** Size of the pages a guest maps. */
export type GuestPageShift = 12 | 21 | 30;

const ENTRIES = 512;
const TABLE_FLAGS: number = PTE_P | PTE_RW | PTE_US | PTE_A;

/** An entry that maps a page. */
export interface Leaf {
  /** Of the entry. */
  readonly gpa: number;
  /** First 4-KByte page of the mapping: address bits 63:12. */
  readonly vpn: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The page tables of one process, as its kernel keeps them: pages of one size, tables made when they are needed and given
 * back when they are empty of use. Every change is a store through the port.
 */
export class AddressSpace {
  readonly root: number;
  readonly #port: TablePort;
  readonly #frames: FrameAllocator;
  readonly #levels: 4 | 5;
  readonly #leafLevel: number;

  constructor(port: TablePort, frames: FrameAllocator, levels: 4 | 5, pageShift: GuestPageShift) {
    this.#port = port;
    this.#frames = frames;
    this.#levels = levels;
    this.#leafLevel = (pageShift - 3) / 9;
    this.root = frames.take();
  }

  /** The entry that maps a page, present or not; undefined where no table leads to one. */
  find(vpn: number): Leaf | undefined {
    let table = this.root;
    for (let level: number = this.#levels; ; level--) {
      const gpa = table + indexOf(vpn, level) * 8;
      const low = this.#port.load32(gpa);
      if (level === this.#leafLevel) return { gpa, vpn: this.#firstOf(vpn), low, high: this.#port.load32(gpa + 4) };
      if ((low & PTE_P) === 0) return undefined;
      table = this.#target(gpa, low);
    }
  }

  /** Enters a page; its tables are made as needed. @param low flags of the entry, without address. */
  map(vpn: number, frame: number, flags: number): void {
    let table = this.root;
    for (let level: number = this.#levels; level > this.#leafLevel; level--) {
      const gpa = table + indexOf(vpn, level) * 8;
      const low = this.#port.load32(gpa);
      table = (low & PTE_P) === 0 ? this.#addTable(gpa) : this.#target(gpa, low);
    }
    this.store(table + indexOf(vpn, this.#leafLevel) * 8, frame, flags | (this.#leafLevel > 1 ? PTE_PS : 0));
  }

  /** Replaces an entry that maps a page. */
  store(gpa: number, frame: number, low: number): void {
    this.#port.storeEntry(gpa, (frame % 2 ** 32) | low, Math.floor(frame / 2 ** 32));
  }

  /** All entries that map pages, in the order of their addresses. */
  *leaves(): Generator<Leaf> {
    yield* this.#leavesUnder(this.root, this.#levels, 0);
  }

  /** Clears every entry and gives back every table. */
  free(): void {
    this.#freeTable(this.root, this.#levels);
  }

  *#leavesUnder(table: number, level: number, base: number): Generator<Leaf> {
    for (let i = 0; i < ENTRIES; i++) {
      const gpa = table + i * 8;
      const low = this.#port.load32(gpa);
      if ((low & PTE_P) === 0) continue;
      const vpn = base + i * ENTRIES ** (level - 1);
      if (level > this.#leafLevel) yield* this.#leavesUnder(this.#target(gpa, low), level - 1, vpn);
      else yield { gpa, vpn, low, high: this.#port.load32(gpa + 4) };
    }
  }

  #freeTable(table: number, level: number): void {
    for (let i = 0; i < ENTRIES; i++) {
      const gpa = table + i * 8;
      const low = this.#port.load32(gpa);
      if (low === 0) continue;
      if (level > this.#leafLevel) this.#freeTable(this.#target(gpa, low), level - 1);
      this.#port.storeEntry(gpa, 0, 0);
    }
    this.#frames.give(table);
  }

  #addTable(gpa: number): number {
    const table = this.#frames.take();
    this.store(gpa, table, TABLE_FLAGS);
    return table;
  }

  #target(gpa: number, low: number): number {
    return frameOf(low, this.#port.load32(gpa + 4));
  }

  #firstOf(vpn: number): number {
    return vpn - (vpn % ENTRIES ** (this.#leafLevel - 1));
  }
}

/** Address of the frame an entry refers to. */
export function frameOf(low: number, high: number): number {
  return (high & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
}

function indexOf(vpn: number, level: number): number {
  return Math.floor(vpn / ENTRIES ** (level - 1)) % ENTRIES;
}

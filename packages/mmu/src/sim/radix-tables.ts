import { PTE_A, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import { FrameAllocator } from "./frame-allocator.ts";
import {
  frameOf,
  GUEST_TABLES,
  type GuestPageShift,
  type Leaf,
  type ProcessTables,
  type TablePort,
  type TablesSource,
} from "./process-tables.ts";

/** Levels of a radix format, and the address bits that each resolves: tables have 2^`indexBits` entries of 8 bytes. */
export interface RadixShape {
  readonly levels: 2 | 4 | 5;
  readonly indexBits: 9 | 18;
}

/** Radix tables for the processes of one guest. */
export class RadixTablesSource implements TablesSource {
  readonly #port: TablePort;
  readonly #shape: RadixShape;
  readonly #pageShift: GuestPageShift;
  readonly #frames: FrameAllocator;

  constructor(port: TablePort, shape: RadixShape, pageShift: GuestPageShift) {
    this.#port = port;
    this.#shape = shape;
    this.#pageShift = pageShift;
    this.#frames = new FrameAllocator(GUEST_TABLES, 8 * 2 ** shape.indexBits);
  }

  get frames(): number {
    return this.#frames.used * 2 ** (this.#shape.indexBits - 9);
  }

  create(): ProcessTables {
    return new RadixTables(this.#port, this.#frames, this.#shape, this.#pageShift);
  }
}

const TABLE_FLAGS: number = PTE_P | PTE_RW | PTE_US | PTE_A;

/** Tables are made when they are needed and given back with the process. Every change is a store through the port. */
class RadixTables implements ProcessTables {
  readonly root: number;
  readonly #port: TablePort;
  readonly #frames: FrameAllocator;
  readonly #levels: number;
  readonly #entries: number;
  readonly #leafLevel: number;
  /** Entries of each table that were ever stored to: most of a large table never are. */
  readonly #stored = new Map<number, Set<number>>();

  constructor(port: TablePort, frames: FrameAllocator, { levels, indexBits }: RadixShape, pageShift: GuestPageShift) {
    this.#port = port;
    this.#frames = frames;
    this.#levels = levels;
    this.#entries = 2 ** indexBits;
    this.#leafLevel = (pageShift - 12) / indexBits + 1;
    this.root = frames.take();
  }

  find(vpn: number): Leaf | undefined {
    let table = this.root;
    for (let level: number = this.#levels; ; level--) {
      const gpa = table + this.#indexOf(vpn, level) * 8;
      const low = this.#port.load32(gpa);
      if (level === this.#leafLevel) return { gpa, vpn: this.#firstOf(vpn), low, high: this.#port.load32(gpa + 4) };
      if ((low & PTE_P) === 0) return undefined;
      table = this.#target(gpa, low);
    }
  }

  map(vpn: number, frame: number, flags: number): void {
    let table = this.root;
    for (let level: number = this.#levels; level > this.#leafLevel; level--) {
      const gpa = table + this.#indexOf(vpn, level) * 8;
      const low = this.#port.load32(gpa);
      table = (low & PTE_P) === 0 ? this.#addTable(gpa) : this.#target(gpa, low);
    }
    this.store(table + this.#indexOf(vpn, this.#leafLevel) * 8, frame, flags | (this.#leafLevel > 1 ? PTE_PS : 0));
  }

  store(gpa: number, frame: number, low: number): void {
    const table = gpa - (gpa % (this.#entries * 8));
    const stored = this.#stored.get(table);
    if (stored === undefined) this.#stored.set(table, new Set([gpa]));
    else stored.add(gpa);
    this.#port.storeEntry(gpa, (frame % 2 ** 32) | low, Math.floor(frame / 2 ** 32));
  }

  *leaves(): Generator<Leaf> {
    yield* this.#leavesUnder(this.root, this.#levels, 0);
  }

  free(): void {
    this.#freeTable(this.root, this.#levels);
  }

  *#leavesUnder(table: number, level: number, base: number): Generator<Leaf> {
    for (const gpa of this.#entriesOf(table)) {
      const low = this.#port.load32(gpa);
      if ((low & PTE_P) === 0) continue;
      const vpn = base + ((gpa - table) / 8) * this.#entries ** (level - 1);
      if (level > this.#leafLevel) yield* this.#leavesUnder(this.#target(gpa, low), level - 1, vpn);
      else yield { gpa, vpn, low, high: this.#port.load32(gpa + 4) };
    }
  }

  #freeTable(table: number, level: number): void {
    for (const gpa of this.#entriesOf(table)) {
      const low = this.#port.load32(gpa);
      if (low === 0) continue;
      if (level > this.#leafLevel) this.#freeTable(this.#target(gpa, low), level - 1);
      this.#port.storeEntry(gpa, 0, 0);
    }
    this.#stored.delete(table);
    this.#frames.give(table);
  }

  /** Addresses of a table's entries in order, but for those that never held anything. */
  #entriesOf(table: number): readonly number[] {
    return [...(this.#stored.get(table) ?? [])].sort((a, b) => a - b);
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
    return vpn - (vpn % this.#entries ** (this.#leafLevel - 1));
  }

  #indexOf(vpn: number, level: number): number {
    return Math.floor(vpn / this.#entries ** (level - 1)) % this.#entries;
  }
}

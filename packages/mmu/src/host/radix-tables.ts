import { EPT_R, EPT_W, EPT_X } from "../ept.ts";
import type { LabMemory } from "../lab/lab-memory.ts";
import { PTE_A, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";

/** Formats of the host's tables: all have 512 entries of eight bytes a table, and PS in bit 7. */
export type RadixFormat = "long4" | "long5" | "ept4" | "ept5";

/** An entry that a walk to some address ends at. */
export interface RadixEntry {
  /** First address that the entry is for. */
  readonly address: number;
  /** 1: a PTE; 2: a 2-MiB page. */
  readonly level: number;
  /** Host address of the entry itself. */
  readonly slot: number;
  readonly low: number;
  readonly high: number;
}

const ENTRIES = 512;

/**
 * Page tables that a host keeps changing: entries come and go one by one, and a table whose last entry has gone is given
 * back. What entries of level 1 and large pages say is up to the owner, who may use those that are not present.
 */
export class RadixTables {
  readonly root: number;
  readonly levels: 4 | 5;
  readonly #memory: LabMemory;
  readonly #frames: { allocate(): number; release(pfn: number): void };
  readonly #tableFlags: number;
  /** Entries in use per table, by the table's address. */
  readonly #population = new Map<number, number>();

  /** @param frames gives frames for tables and takes them back. */
  constructor(format: RadixFormat, memory: LabMemory, frames: { allocate(): number; release(pfn: number): void }) {
    this.levels = format === "long4" || format === "ept4" ? 4 : 5;
    this.#tableFlags = format.startsWith("ept") ? EPT_R | EPT_W | EPT_X : PTE_P | PTE_RW | PTE_US | PTE_A;
    this.#memory = memory;
    this.#frames = frames;
    this.root = this.#begin();
  }

  /** Frames the tables take, the root's included. */
  get tables(): number {
    return this.#population.size;
  }

  /** Where a walk to `address` ends: at a large page or at level 1; undefined if a table is missing above. */
  find(address: number): RadixEntry | undefined {
    let table = this.root;
    for (let level: number = this.levels; level > 0; level--) {
      const slot = slotOf(table, address, level);
      const low = this.#memory.load32(slot);
      if (isLast(low, level)) {
        const bytes = bytesAt(level);
        return { address: address - (address % bytes), level, slot, low, high: this.#memory.load32(slot + 4) };
      }
      if (low === 0) return undefined;
      table = physicalOf(low, this.#memory.load32(slot + 4));
    }
    return undefined;
  }

  /** Puts an entry at `level` on the way to `address`, over whatever was there, and builds the tables above it. */
  set(address: number, level: number, low: number, high: number): void {
    let table = this.root;
    for (let above: number = this.levels; above > level; above--) {
      const slot = slotOf(table, address, above);
      const entry = this.#memory.load32(slot);
      if (entry === 0) this.#store(table, slot, ...halves(this.#begin(), this.#tableFlags));
      else if (isLast(entry, above)) throw new Error("a large page is split before smaller ones are entered");
      table = physicalOf(this.#memory.load32(slot), this.#memory.load32(slot + 4));
    }
    const slot = slotOf(table, address, level);
    const before = this.#memory.load32(slot);
    if (before !== 0 && !isLast(before, level)) throw new Error("smaller pages go before a large one is entered");
    this.#store(table, slot, low, high);
  }

  /** Empties the entry that {@link find} gives, if any, and gives back tables that this empties. */
  clear(address: number): void {
    const path: number[] = [];
    let table = this.root;
    for (let level: number = this.levels; level > 0; level--) {
      const slot = slotOf(table, address, level);
      const low = this.#memory.load32(slot);
      if (low === 0) return;
      path.push(slot);
      if (isLast(low, level)) break;
      table = physicalOf(low, this.#memory.load32(slot + 4));
    }
    for (let i = path.length - 1; i >= 0; i--) {
      const slot = path[i] as number;
      const owner = slot - (slot % 0x1000);
      this.#store(owner, slot, 0, 0);
      if (i === 0 || this.#population.get(owner) !== 0) return;
      this.#end(owner);
    }
  }

  /** Entries in use that overlap [start, end), in order; those that refer to tables are not among them. */
  entries(start = 0, end: number = 2 ** 52): readonly RadixEntry[] {
    const found: RadixEntry[] = [];
    this.#collect(this.root, this.levels, 0, start, end, found);
    return found;
  }

  /** Gives back all tables; the object must not be used again. */
  dispose(): void {
    for (const table of [...this.#population.keys()]) this.#end(table);
  }

  #collect(table: number, level: number, base: number, start: number, end: number, found: RadixEntry[]): void {
    const bytes = bytesAt(level);
    const first = Math.max(0, Math.floor((start - base) / bytes));
    const last = Math.min(ENTRIES, Math.ceil((end - base) / bytes));
    for (let index = first; index < last; index++) {
      const slot = table + index * 8;
      const low = this.#memory.load32(slot);
      if (low === 0) continue;
      const high = this.#memory.load32(slot + 4);
      const address = base + index * bytes;
      if (isLast(low, level)) found.push({ address, level, slot, low, high });
      else this.#collect(physicalOf(low, high), level - 1, address, start, end, found);
    }
  }

  #begin(): number {
    const table = this.#frames.allocate() * 0x1000;
    this.#population.set(table, 0);
    return table;
  }

  #end(table: number): void {
    this.#population.delete(table);
    this.#frames.release(table / 0x1000);
  }

  #store(table: number, slot: number, low: number, high: number): void {
    const change = (low === 0 ? 0 : 1) - (this.#memory.load32(slot) === 0 ? 0 : 1);
    this.#population.set(table, (this.#population.get(table) ?? 0) + change);
    this.#memory.store32(slot, low);
    this.#memory.store32(slot + 4, high);
  }
}

/** Bytes that one entry of `level` is for. */
export function bytesAt(level: number): number {
  return 2 ** (3 + 9 * level);
}

/** Physical address in an entry. */
export function physicalOf(low: number, high: number): number {
  return (high & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
}

/** The two halves of an entry. */
export function halves(physical: number, lowFlags: number, highFlags = 0): readonly [low: number, high: number] {
  return [(physical % 2 ** 32) | lowFlags, Math.floor(physical / 2 ** 32) | highFlags];
}

function slotOf(table: number, address: number, level: number): number {
  return table + (Math.floor(address / bytesAt(level)) % ENTRIES) * 8;
}

function isLast(low: number, level: number): boolean {
  return level === 1 || ((low & PTE_PS) !== 0 && level <= 3);
}

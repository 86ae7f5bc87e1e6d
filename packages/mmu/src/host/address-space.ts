import { PTE_A, PTE_D, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import { HUGE_BYTES, HUGE_FRAMES } from "./host-frames.ts";
import { FAULT_FRAMES, type HostState } from "./host-state.ts";
import { NotifierChain } from "./mmu-notifier.ts";
import { bytesAt, halves, physicalOf, type RadixEntry, RadixTables } from "./radix-tables.ts";
import type { PageKind } from "./reverse-map.ts";

/** Anonymous memory of a process. Whole pages, the end exclusive. */
export interface Area {
  readonly start: number;
  readonly end: number;
  /** Huge pages where they fit: MADV_HUGEPAGE. */
  readonly hugePages: boolean;
  /** MADV_MERGEABLE. */
  readonly mergeable: boolean;
}

/** How a fault ended: with a page of zeros or a copy, with a page read back, or outside every area. */
export type FaultResult = "minor" | "major" | "bad-area";

/** A page as its process has it. */
export interface ResidentPage {
  /** First address of the mapping. */
  readonly hva: number;
  readonly hpa: number;
  readonly level: number;
  readonly writable: boolean;
}

/** Marks an entry that is not present as the place of a page in the store; the slot stands where addresses do. */
const SWAPPED = 0x2;
const LEAF = PTE_P | PTE_US;

/**
 * The process that holds a guest's memory: areas, ordinary 4-level tables, and the fault handler of the host's kernel.
 *
 * Invariants:
 * 1. Whatever goes or loses a right is told to the notifiers first.
 * 2. The reverse map has exactly the entries that are present; the swap map counts exactly those that are swapped.
 * 3. A merged frame is never mapped writable.
 * 4. Beside each huge page a frame is kept, for the table that splitting it takes: reclaim splits when nothing is free.
 */
export class AddressSpace {
  readonly id: number;
  readonly areas: readonly Area[];
  readonly tables: RadixTables;
  readonly notifiers: NotifierChain = new NotifierChain();
  readonly #host: HostState;
  readonly #deposits: number[] = [];

  constructor(id: number, host: HostState, areas: readonly Area[]) {
    this.id = id;
    this.areas = areas;
    this.#host = host;
    this.tables = new RadixTables("long4", host.memory, host.frames);
  }

  /** Frames held for tables, present and future ones. */
  get tableFrames(): number {
    return this.tables.tables + this.#deposits.length;
  }

  /** The host kernel's page-fault handler, for one byte. */
  fault(hva: number, isWrite: boolean): FaultResult {
    const area = this.areas.find(({ start, end }) => hva >= start && hva < end);
    if (area === undefined) return "bad-area";
    this.#host.counters.pgfault++;
    this.#host.reserve(FAULT_FRAMES);
    const entry = this.tables.find(hva);
    if (entry !== undefined && isSwapped(entry)) {
      this.#swapIn(entry);
      return "major";
    }
    if (!isPresent(entry)) this.#populate(hva, area);
    else if (isWrite && (entry.low & PTE_RW) === 0) this.#breakSharing(entry);
    else this.#mark(entry, PTE_A | (isWrite ? PTE_D : 0), 0);
    return "minor";
  }

  /** The page at `hva` if it is in memory. */
  resident(hva: number): ResidentPage | undefined {
    const entry = this.tables.find(hva);
    if (!isPresent(entry)) return undefined;
    const { address, level, low } = entry;
    return { hva: address, hpa: pageOf(entry), level, writable: (low & PTE_RW) !== 0 };
  }

  /** Pages in memory that overlap [start, end), in order. */
  residents(start: number, end: number): readonly ResidentPage[] {
    return this.tables
      .entries(start, end)
      .filter(isPresent)
      .map((entry) => ({
        hva: entry.address,
        hpa: pageOf(entry),
        level: entry.level,
        writable: (entry.low & PTE_RW) !== 0,
      }));
  }

  /** Whether the page at `hva` is in the store. */
  isSwapped(hva: number): boolean {
    const entry = this.tables.find(hva);
    return entry !== undefined && isSwapped(entry);
  }

  /** Whether the page at `hva` was used, by the process or through its notifiers, since {@link clearYoung}. */
  testYoung(hva: number): boolean {
    const entry = this.tables.find(hva);
    if (!isPresent(entry)) return false;
    return (entry.low & PTE_A) !== 0 || this.notifiers.testYoung(entry.address, entry.address + bytesAt(entry.level));
  }

  /** As {@link testYoung}, and forgets it. */
  clearYoung(hva: number): boolean {
    const entry = this.tables.find(hva);
    if (!isPresent(entry)) return false;
    this.#mark(entry, 0, PTE_A);
    const isYoung = this.notifiers.clearYoung(entry.address, entry.address + bytesAt(entry.level));
    return isYoung || (entry.low & PTE_A) !== 0;
  }

  /** Throws pages away, in memory and in the store: MADV_DONTNEED. They read as zeros afterwards. */
  discard(start: number, end: number): void {
    for (const entry of this.tables.entries(start, end)) {
      const isWhole = entry.address >= start && entry.address + bytesAt(entry.level) <= end;
      if (!isWhole) this.split(entry.address);
    }
    const entries = this.tables.entries(start, end);
    if (entries.some(isPresent)) this.notifiers.invalidateRange(start, end);
    for (const entry of entries) {
      if (isPresent(entry)) this.#unmap(entry);
      else this.#host.swap.release(slotIn(entry));
      this.tables.clear(entry.address);
    }
  }

  /** Turns the huge page at `hva` into 512 pages of their own, where they are. */
  split(hva: number): void {
    const { frames, rmap, counters } = this.#host;
    const entry = this.tables.find(hva);
    if (!isPresent(entry) || entry.level !== 2) throw new Error("only a huge page is split");
    const pfn = pageOf(entry) / 0x1000;
    this.notifiers.invalidateRange(entry.address, entry.address + HUGE_BYTES);
    rmap.remove(pfn, this, entry.address);
    this.tables.clear(entry.address);
    frames.release(this.#deposits.pop() as number);
    for (let i = 0; i < HUGE_FRAMES; i++) {
      const page = entry.address + i * 0x1000;
      this.tables.set(page, 1, ...halves((pfn + i) * 0x1000, entry.low & (0xfff & ~PTE_PS)));
      rmap.add(pfn + i, "private", this, page);
    }
    counters.thp_split_page++;
  }

  /** Gathers the 512 pages of the block at `start` in `pfn`, 512 frames that are the caller's: all or none are in memory. */
  collapse(start: number, pfn: number): void {
    const { memory } = this.#host;
    this.notifiers.invalidateRange(start, start + HUGE_BYTES);
    for (const entry of this.tables.entries(start, start + HUGE_BYTES)) {
      memory.setFrame(pfn + (entry.address - start) / 0x1000, memory.frame(pageOf(entry) / 0x1000));
      this.#unmap(entry);
      this.tables.clear(entry.address);
    }
    this.#installHuge(start, pfn);
  }

  /** Replaces the page at `hva` by its place in the store. The frame goes when its last mapping has. */
  swapOut(hva: number, slot: number): void {
    const entry = this.#present(hva);
    this.notifiers.invalidateRange(hva, hva + 0x1000);
    this.#unmap(entry);
    this.tables.set(hva, 1, ...halves(slot * 0x1000, SWAPPED));
  }

  /** Maps the page at `hva` read-only to `pfn`, a merged frame with the same content; it may be its own. */
  merge(hva: number, pfn: number): void {
    const entry = this.#present(hva);
    this.notifiers.changePte(hva, pfn * 0x1000);
    if (pageOf(entry) !== pfn * 0x1000) {
      this.#unmap(entry);
      this.#host.rmap.add(pfn, "merged", this, hva);
    }
    this.tables.set(hva, 1, ...halves(pfn * 0x1000, entry.low & 0xfff & ~PTE_RW));
  }

  /** The end of the process. */
  dispose(): void {
    for (const { start, end } of this.areas) this.discard(start, end);
    this.tables.dispose();
  }

  #present(hva: number): RadixEntry {
    const entry = this.tables.find(hva);
    if (!isPresent(entry) || entry.level !== 1) throw new Error("the reverse map is true");
    return entry;
  }

  #populate(hva: number, area: Area): void {
    const { frames, counters } = this.#host;
    const block = hva - (hva % HUGE_BYTES);
    const fits = area.hugePages && block >= area.start && block + HUGE_BYTES <= area.end;
    // No table of level 1 means that nothing of the block is mapped.
    if (fits && this.tables.find(hva) === undefined && frames.free >= HUGE_FRAMES + FAULT_FRAMES) {
      const pfn = frames.allocateHuge();
      if (pfn !== undefined) {
        this.#installHuge(block, pfn);
        counters.thp_fault_alloc++;
        return;
      }
    }
    this.#install(hva - (hva % 0x1000), frames.allocate(), "private");
  }

  #install(hva: number, pfn: number, kind: PageKind): void {
    this.tables.set(hva, 1, ...halves(pfn * 0x1000, LEAF | PTE_RW | PTE_A));
    this.#host.rmap.add(pfn, kind, this, hva);
  }

  #installHuge(start: number, pfn: number): void {
    this.#deposits.push(this.#host.frames.allocate());
    this.tables.set(start, 2, ...halves(pfn * 0x1000, LEAF | PTE_PS | PTE_RW | PTE_A));
    this.#host.rmap.add(pfn, "huge", this, start);
  }

  #swapIn(entry: RadixEntry): void {
    const { memory, frames, swap, counters } = this.#host;
    const slot = slotIn(entry);
    const words = swap.read(slot);
    const pfn = frames.allocate();
    memory.setFrame(pfn, words);
    swap.release(slot);
    this.#install(entry.address, pfn, "private");
    counters.pgmajfault++;
    counters.pswpin++;
  }

  /** Copy on write. */
  #breakSharing(entry: RadixEntry): void {
    const { memory, frames, counters } = this.#host;
    const pfn = frames.allocate();
    memory.setFrame(pfn, memory.frame(pageOf(entry) / 0x1000));
    this.notifiers.invalidateRange(entry.address, entry.address + 0x1000);
    this.#unmap(entry);
    this.#install(entry.address, pfn, "private");
    counters.cow_ksm++;
  }

  /** Takes a present entry out of the reverse map, and its frames with it if it was the last. The entry itself stays. */
  #unmap(entry: RadixEntry): void {
    const { frames, rmap } = this.#host;
    const pfn = pageOf(entry) / 0x1000;
    if (!rmap.remove(pfn, this, entry.address)) return;
    const count = entry.level === 2 ? HUGE_FRAMES : 1;
    for (let i = 0; i < count; i++) frames.release(pfn + i);
    if (entry.level === 2) frames.release(this.#deposits.pop() as number);
  }

  #mark({ address, level, low, high }: RadixEntry, set: number, cleared: number): void {
    this.tables.set(address, level, (low | set) & ~cleared, high);
  }
}

function isPresent(entry: RadixEntry | undefined): entry is RadixEntry {
  return entry !== undefined && (entry.low & PTE_P) !== 0;
}

function isSwapped({ low }: RadixEntry): boolean {
  return (low & (PTE_P | SWAPPED)) === SWAPPED;
}

function pageOf({ low, high }: RadixEntry): number {
  return physicalOf(low, high);
}

function slotIn({ low, high }: RadixEntry): number {
  return physicalOf(low, high) / 0x1000;
}

import { ACCESS_WRITE } from "../access.ts";
import { EPT_A, EPT_D, EPT_PS, EPT_R, EPT_W, EPT_WB, EPT_X, EPTP_AD } from "../ept.ts";
import type { HostPaging } from "../lab/host-dimension.ts";
import { createNestedTranslator } from "../lab/nested.ts";
import type { GuestPaging, Translator } from "../lab/translator.ts";
import { PTE_A, PTE_D, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { AddressSpace } from "./address-space.ts";
import { HUGE_BYTES } from "./host-frames.ts";
import type { HostState } from "./host-state.ts";
import type { KvmCounters } from "./kvm-counters.ts";
import { HVA_BASE, type MemorySlots } from "./memory-slots.ts";
import { bytesAt, halves, type RadixEntry, type RadixFormat, RadixTables } from "./radix-tables.ts";
import type { DirtyLogging, FlushListener, SecondaryMmu } from "./secondary-mmu.ts";

/** What {@link TdpMmu} stands between. */
export interface TdpOptions {
  readonly host: HostState;
  readonly space: AddressSpace;
  readonly slots: MemorySlots;
  readonly counters: KvmCounters;
  readonly flush: FlushListener;
  readonly guest: GuestPaging;
  readonly structures: WalkStructures;
  readonly kind: "ept" | "npt";
  readonly levels: 4 | 5;
  /** EPT's accessed and dirty flags; NPT always has them. */
  readonly accessedDirty: boolean;
}

interface EntryBits {
  readonly leaf: number;
  readonly write: number;
  readonly accessed: number;
  readonly dirty: number;
  readonly large: number;
}

const EPT_BITS: EntryBits = {
  leaf: EPT_R | EPT_X | EPT_WB,
  write: EPT_W,
  accessed: EPT_A,
  dirty: EPT_D,
  large: EPT_PS,
};
const NPT_BITS: EntryBits = { leaf: PTE_P | PTE_US, write: PTE_RW, accessed: PTE_A, dirty: PTE_D, large: PTE_PS };

/**
 * Extended or nested page tables that follow the tables of a process: entered at the first touch, dropped or changed when
 * a notifier says so. The model is KVM's, arch/x86/kvm/mmu/tdp_mmu.c.
 *
 * Invariants:
 * 1. An entry maps what the process's entry maps, in the same frame, and is writable only if that one is.
 * 2. It is large only if that one is, if the block lies in one slot, and if the slot is not logged.
 * 3. While a slot is logged, a page that may be written to unnoticed is in the log already.
 */
export class TdpMmu implements SecondaryMmu, DirtyLogging {
  readonly translator: Translator;
  readonly tables: RadixTables;
  readonly logging: DirtyLogging = this;
  readonly #options: TdpOptions;
  readonly #bits: EntryBits;
  /** Whether the processor sets accessed and dirty flags. */
  readonly hasFlags: boolean;

  constructor(options: TdpOptions) {
    const { host, guest, structures, kind, levels, counters, accessedDirty } = options;
    this.#options = options;
    this.#bits = kind === "ept" ? EPT_BITS : NPT_BITS;
    this.hasFlags = kind === "npt" || accessedDirty;
    this.tables = new RadixTables(`${kind === "ept" ? "ept" : "long"}${levels}` as RadixFormat, host.memory, {
      allocate: () => {
        counters.mmu_cache_miss++;
        return host.frames.allocate();
      },
      release: (pfn) => host.frames.release(pfn),
    });
    this.translator = createNestedTranslator({ memory: host.memory, guest, host: this.#paging(kind), structures });
  }

  get tableFrames(): number {
    return this.tables.tables;
  }

  enter(gpa: number, kinds: number): void {
    const { space, slots, counters } = this.#options;
    const page = space.resident(gpa + HVA_BASE);
    if (page === undefined) throw new Error("a page is in memory before it is entered");
    const log = slots.logAt(gpa);
    const block = gpa - (gpa % HUGE_BYTES);
    const isLarge = page.level === 2 && log === undefined && slots.contains(block, HUGE_BYTES);
    const address = isLarge ? block : gpa - (gpa % 0x1000);
    const isWrite = (kinds & ACCESS_WRITE) !== 0;
    const mayWrite = page.writable && (log?.method !== "write-protect" || isWrite);
    if (mayWrite && log?.method === "write-protect") slots.mark(gpa);
    if (isLarge) this.#drop(block, block + HUGE_BYTES);
    const before = this.tables.find(address);
    if (isLarge && (before === undefined || before.low === 0)) counters.largepages++;
    const hpa = page.hpa + (address + HVA_BASE - page.hva);
    const flags = this.#bits.leaf | (mayWrite ? this.#bits.write : 0) | (isLarge ? this.#bits.large : 0);
    this.tables.set(address, isLarge ? 2 : 1, ...halves(hpa, flags));
    counters.pf_fixed++;
  }

  invalidateRange(start: number, end: number): void {
    this.#drop(start - HVA_BASE, end - HVA_BASE);
  }

  changePte(hva: number, hpa: number): void {
    const entry = this.tables.find(hva - HVA_BASE);
    if (entry === undefined || entry.low === 0) return;
    if (entry.level > 1) {
      this.#drop(entry.address, entry.address + bytesAt(entry.level));
      return;
    }
    this.#keepDirty(entry);
    const { write, dirty } = this.#bits;
    this.tables.set(entry.address, 1, ...halves(hpa, entry.low & 0xfff & ~(write | dirty)));
    this.#flush(entry.address, entry.address + 0x1000);
  }

  testYoung(start: number, end: number): boolean {
    const { accessed } = this.#bits;
    const entries = this.tables.entries(start - HVA_BASE, end - HVA_BASE);
    // Without flags a translation that exists counts as used; asking drops it, so that its next use is seen.
    return entries.some(({ low }) => !this.hasFlags || (low & accessed) !== 0);
  }

  clearYoung(start: number, end: number): boolean {
    const isYoung = this.testYoung(start, end);
    if (!this.hasFlags) this.#drop(start - HVA_BASE, end - HVA_BASE);
    else if (isYoung) {
      for (const entry of this.tables.entries(start - HVA_BASE, end - HVA_BASE)) {
        this.tables.set(entry.address, entry.level, entry.low & ~this.#bits.accessed, entry.high);
      }
    }
    return isYoung;
  }

  store(hpa: number, value: number): void {
    this.#options.host.memory.store32(hpa, value);
  }

  breakLargePages(first: number, count: number): void {
    const [start, end] = [first * 0x1000, (first + count) * 0x1000];
    for (const entry of this.tables.entries(start, end)) {
      if (entry.level > 1) this.#drop(entry.address, entry.address + bytesAt(entry.level));
    }
  }

  rearm(gfns: Iterable<number>): void {
    const { slots } = this.#options;
    let isChanged = false;
    for (const gfn of gfns) {
      const entry = this.tables.find(gfn * 0x1000);
      const noticed = slots.logAt(gfn * 0x1000)?.method === "dirty-flags" ? this.#bits.dirty : this.#bits.write;
      if (entry === undefined || entry.level !== 1 || (entry.low & noticed) === 0) continue;
      this.tables.set(entry.address, 1, entry.low & ~noticed, entry.high);
      isChanged = true;
    }
    if (!isChanged) return;
    // As KVM does it: one flush of everything after many entries.
    this.#flushAll();
  }

  harvest(first: number, count: number): void {
    for (const entry of this.tables.entries(first * 0x1000, (first + count) * 0x1000)) this.#keepDirty(entry);
  }

  dispose(): void {
    this.tables.dispose();
  }

  /** Drops entries that overlap a range of guest physical addresses, and tells whoever caches them. */
  #drop(start: number, end: number): void {
    const { counters } = this.#options;
    const entries = this.tables.entries(Math.max(0, start), end);
    for (const entry of entries) {
      this.#keepDirty(entry);
      if (entry.level > 1) counters.largepages--;
      this.tables.clear(entry.address);
      counters.mmu_shadow_zapped++;
    }
    const [from, last] = [entries[0], entries.at(-1)];
    if (from !== undefined && last !== undefined) this.#flush(from.address, last.address + bytesAt(last.level));
  }

  /** Before an entry goes, and where its dirty flag counts, its flag goes to the log. */
  #keepDirty({ address, low }: RadixEntry): void {
    const { slots } = this.#options;
    if ((low & this.#bits.dirty) !== 0 && slots.logAt(address)?.method === "dirty-flags") slots.mark(address);
  }

  #flush(start: number, end: number): void {
    this.#options.counters.remote_tlb_flush++;
    this.#options.flush(start / 0x1000, (end - start) / 0x1000);
  }

  #flushAll(): void {
    const { slots } = this.#options.slots;
    this.#flush(0, Math.max(...slots.map(({ gpa, bytes }) => gpa + bytes)));
  }

  #paging(kind: "ept" | "npt"): HostPaging {
    const { levels, accessedDirty } = this.#options;
    const { root } = this.tables;
    // Write-back memory type in bits 2:0, levels less one in 5:3.
    if (kind === "ept") return { kind, eptp: root + 6 + (levels - 1) * 8 + (accessedDirty ? EPTP_AD : 0) };
    return { kind, mode: levels === 4 ? "long4" : "long5", registers: { cr3: root, wp: true, nxe: true } };
  }
}

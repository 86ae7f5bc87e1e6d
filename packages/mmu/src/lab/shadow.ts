import { ACCESS_FETCH, ACCESS_KINDS, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "../access.ts";
import { createWalker } from "../create-walker.ts";
import { PTE_A, PTE_RW } from "../pte.ts";
import type { RightsControls } from "../rights.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import { PAGE_D, PAGE_RW, PAGE_US, PAGE_XD, type Walker } from "../walker.ts";
import { BaseTranslator } from "./base-translator.ts";
import { createHostDimension } from "./create-host-dimension.ts";
import { GENERAL_PROTECTION, gvaOf, pageFault } from "./guest-address.ts";
import { GuestTables } from "./guest-tables.ts";
import { exitOf, type HostDimension, type HostPaging } from "./host-dimension.ts";
import type { TableMemory } from "./lab-memory.ts";
import { ShadowTables } from "./shadow-tables.ts";
import { DirectTables, TABLE_SHAPES, walkCached } from "./traced-tables.ts";
import type { GuestFault, GuestPaging, HypervisorExit, Translator } from "./translator.ts";
import { SHADOW_ENTRY, WalkLog } from "./walk-log.ts";

/**
 * When the hypervisor learns that the guest has changed a table. `invalidate`: at INVLPG and CR3 loads only, so a guest
 * that forgets them sees old translations, as it may on a processor. `write-protect`: every store to a table traps (a
 * tracing fault) and acts at once. `unsync`: page tables of level 1 trap once and then run free until the next CR3 load;
 * upper tables are as with `write-protect`.
 */
export type ShadowSync = "invalidate" | "write-protect" | "unsync";

/** Modes of guests that can be shadowed. */
export type ShadowedMode = "legacy32" | "pae" | "long4" | "long5";

/** What {@link createShadowTranslator} needs. */
export interface ShadowOptions {
  /** Host memory: the host's tables, guest memory where they place it, and the shadow tables. */
  readonly memory: TableMemory;
  /** Its mode has paging on. Shadow tables of 32-bit guests are in PAE format, and so are those of PAE ones. */
  readonly guest: GuestPaging & { readonly mode: ShadowedMode };
  /** The process that holds the guest's memory; the hypervisor asks it, the processor never does. */
  readonly host: Extract<HostPaging, { kind: "process" }>;
  /** Gives a frame of zeros in host memory for a shadow table. */
  readonly allocateFrame: () => number;
  /** Default `unsync`. */
  readonly sync?: ShadowSync;
  /** Whether the shadow tables of an address space outlive a switch to another; default `cached`. */
  readonly roots?: "cached" | "dropped";
  /** Default: none, so that every walk reads every entry. */
  readonly structures?: WalkStructures;
  /** Hears of writes to guest memory that is logged. Default: nothing is. */
  readonly dirtyLog?: ShadowDirtyLog;
}

/** A dirty log as shadow paging asks it. */
export interface ShadowDirtyLog {
  /** Whether writes to the page at `gpa` are to be noticed: it is entered writable only for a write, and small. */
  isLogged(gpa: number): boolean;
  /** The page at `gpa` is written to. */
  mark(gpa: number): void;
}

/** Event counts under the names KVM's debugfs has for them. */
export interface ShadowCounters {
  /** Faults of the shadow tables that the hypervisor resolved: hidden faults. */
  pf_fixed: number;
  /** Faults that were the guest's own. */
  pf_guest: number;
  /** Stores to protected tables: tracing faults. */
  mmu_pte_write: number;
  /** Tables that were let go out of sync. */
  mmu_unsync: number;
  /** Shadow entries dropped. */
  mmu_shadow_zapped: number;
  /** INVLPG exits. */
  invlpg: number;
}

/** Shadow paging, with what a guest does to its tables. */
export interface ShadowTranslator extends Translator {
  readonly counters: Readonly<ShadowCounters>;
  /** INVLPG, by the address's halves. */
  invalidate(gvaLow: number, gvaHigh: number): void;
  /**
   * A store of the guest to one of its tables: four bytes at a 4-byte aligned guest physical address, or, with `high`, an
   * entry of eight.
   * @returns undefined when it went through.
   */
  storeTable(gpa: number, value: number, high?: number): HypervisorExit | undefined;
  /** As {@link storeTable}, at an address that is translated already; what is no table just takes it. */
  storeAt(hpa: number, value: number, high?: number): void;
  /**
   * The host takes the guest frame `gfn` away, which lies in its frame `pfn`: what maps it goes, and what was derived from
   * guest entries in it.
   */
  dropFrame(gfn: number, pfn: number): void;
  /** The host takes the right to write to the guest frame `gfn`, to notice the next write. @returns whether there was one. */
  writeProtect(gfn: number): boolean;
  /** Whether a walk has used an entry that maps the guest frame `gfn`, since {@link clearYoung}. */
  testYoung(gfn: number): boolean;
  /** As {@link testYoung}, and forgets it. */
  clearYoung(gfn: number): boolean;
}

/**
 * Shadow paging: the processor walks tables that the hypervisor derives, entry by entry, from the guest's and the host's.
 * Walks cost what they cost natively; what they save is paid in exits.
 *
 * Invariants:
 * 1. A fault of the shadow tables is judged by a walk of the guest's tables, by software: it is the guest's (`pf_guest`),
 *    or the host's, or hidden: filled in and tried again.
 * 2. A page is entered writable only once the guest's entry is dirty, so that the first write is seen and sets D.
 * 3. CR0.WP is on under shadow tables whatever the guest has. A supervisor's write that only WP = 0 allows gets an entry
 *    for that one access: any longer, reads would pass it by rights the guest's entry does not give.
 * @throws RangeError (code `MMU_REGISTERS` or `MMU_HOST`)
 */
export function createShadowTranslator(options: ShadowOptions): ShadowTranslator {
  return new Shadow(options);
}

/** Entries of the top table of PAE paging. */
const PDPTES = 4;

class Shadow extends BaseTranslator implements ShadowTranslator {
  readonly scheme = "shadow";
  readonly controls: RightsControls;
  readonly counters: ShadowCounters = {
    pf_fixed: 0,
    pf_guest: 0,
    mmu_pte_write: 0,
    mmu_unsync: 0,
    mmu_shadow_zapped: 0,
    invlpg: 0,
  };
  readonly #options: ShadowOptions;
  /** The hypervisor's own references, which the processor does not make: not told. */
  readonly #unheard = new WalkLog();
  readonly #host: HostDimension;
  readonly #guestTables: GuestTables;
  readonly #guestWalker: Walker;
  readonly #tables: DirectTables;
  readonly #walker: Walker;
  readonly #roots = new Map<number, ShadowTables>();
  /** Host frames of guest tables that entries were derived from, with the highest level seen. */
  readonly #protected = new Map<number, number>();
  readonly #unsync = new Set<number>();
  /** Of the guest's entries. */
  readonly #entryBytes: 4 | 8;
  /** Three: PAE format, whose PDPTEs are registers. */
  readonly #levels: 3 | 4 | 5;
  /** PAE guests: the PDPTEs that shadow tables were derived from. */
  readonly #pdptes = new Map<ShadowTables, Uint32Array>();
  #current: ShadowTables;
  /** Page of invariant 3's entry. */
  #momentary: bigint | undefined;

  constructor(options: ShadowOptions) {
    const { memory, guest, host, structures = new WalkStructures() } = options;
    super(guest.mode, structures);
    this.#options = options;
    this.#host = createHostDimension(host, memory, this.#unheard, new WalkStructures());
    this.#guestTables = new GuestTables(memory, TABLE_SHAPES[guest.mode], this.#host, this.#unheard);
    this.#guestWalker = createWalker(guest.mode, this.#guestTables, guest.registers);
    this.#entryBytes = TABLE_SHAPES[guest.mode].entryBytes;
    this.#levels = guest.mode === "long4" ? 4 : guest.mode === "long5" ? 5 : 3;
    const mode = this.#levels === 3 ? "pae" : guest.mode;
    this.#tables = new DirectTables(
      memory,
      TABLE_SHAPES[mode],
      SHADOW_ENTRY,
      this.log,
      structures.walkCache !== undefined,
    );
    this.#walker = createWalker(mode, this.#tables, {
      ...guest.registers,
      ...{ wp: true, nxe: true, pge: false, pages1G: true, maxPhyAddr: 52 },
    });
    this.controls = this.#walker.registers;
    this.#loadPdptes();
    this.#current = this.#enter(this.#guestWalker.registers.cr3);
  }

  protected override search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const before = this.counters.pf_fixed;
    const isMapped = this.#walk(gvaLow, gvaHigh, access);
    this.hiddenFaults = this.counters.pf_fixed - before;
    this.found.isMomentary = this.#momentary !== undefined;
    if (this.#momentary !== undefined) this.#current.zapPage(this.#momentary);
    this.#momentary = undefined;
    return isMapped;
  }

  writeCr3(cr3: number): GuestFault | HypervisorExit | undefined {
    const { cr3: before } = this.#guestWalker.registers;
    this.#guestWalker.configure({ cr3 });
    const refusal = this.#loadPdptes();
    if (refusal !== undefined) {
      this.#guestWalker.setCr3(before);
      return refusal;
    }
    if (this.#options.roots === "dropped") this.#drop(cr3);
    this.#current = this.#enter(cr3);
    // A CR3 load ends the life of whatever a TLB might have kept. Where every store was seen there is nothing to do.
    if (this.#options.sync !== "write-protect") this.#count(this.#current.resync());
    this.#unsync.clear();
    return undefined;
  }

  invalidate(gvaLow: number, gvaHigh: number): void {
    this.counters.invlpg++;
    this.#count(this.#current.resyncAt(gvaOf(gvaLow, gvaHigh)));
  }

  storeTable(gpa: number, value: number, high?: number): HypervisorExit | undefined {
    this.#unheard.begin();
    if (!this.#host.locatePage(gpa, ACCESS_WRITE)) return exitOf(this.#host);
    this.#options.dirtyLog?.mark(gpa);
    this.storeAt(this.#host.hpa, value, high);
    return undefined;
  }

  storeAt(hpa: number, value: number, high?: number): void {
    this.#options.memory.store32(hpa, value);
    if (high !== undefined) this.#options.memory.store32(hpa + 4, high);
    this.#trace(hpa, high === undefined ? 4 : 8);
  }

  dropFrame(gfn: number, pfn: number): void {
    for (const tables of this.#roots.values()) {
      this.#count(tables.zapGuestFrame(gfn));
      if (this.#protected.has(pfn)) this.#count(tables.zapSources(pfn));
    }
    this.#protected.delete(pfn);
    this.#unsync.delete(pfn);
  }

  writeProtect(gfn: number): boolean {
    return this.#takeFlags(gfn, PTE_RW);
  }

  testYoung(gfn: number): boolean {
    const { memory } = this.#options;
    const slots = [...this.#roots.values()].flatMap((tables) => tables.entriesOf(gfn));
    return slots.some((slot) => (memory.load32(slot) & PTE_A) !== 0);
  }

  clearYoung(gfn: number): boolean {
    return this.#takeFlags(gfn, PTE_A);
  }

  #takeFlags(gfn: number, flags: number): boolean {
    const hadFlags = [...this.#roots.values()].map((tables) => tables.takeFlags(gfn, flags)).includes(true);
    this.hasDropped ||= hadFlags;
    return hadFlags;
  }

  /** What a store to `hpa` means to the hypervisor. */
  #trace(hpa: number, bytes: 4 | 8): void {
    const { sync = "unsync" } = this.#options;
    const frame = Math.floor(hpa / 0x1000);
    const level = this.#protected.get(frame);
    if (sync === "invalidate" || level === undefined || this.#unsync.has(frame)) return;
    this.counters.mmu_pte_write++;
    if (sync === "unsync" && level === 1) {
      this.counters.mmu_unsync++;
      this.#unsync.add(frame);
      return;
    }
    for (let entry = hpa - (hpa % this.#entryBytes); entry < hpa + bytes; entry += this.#entryBytes) {
      for (const tables of this.#roots.values()) this.#count(tables.zapSource(entry));
    }
  }

  /** Shadow entries were dropped. */
  #count(zapped: number): void {
    this.counters.mmu_shadow_zapped += zapped;
    this.hasDropped ||= zapped > 0;
  }

  /** Empties the one set of shadow tables there is and gives it to the address space at `cr3`. */
  #drop(cr3: number): void {
    this.#count(this.#current.clear());
    this.#protected.clear();
    this.#roots.clear();
    this.#roots.set(this.#rootOf(cr3), this.#current);
  }

  /** Where the tables of an address space begin: PAE paging has several in a page. */
  #rootOf(cr3: number): number {
    return cr3 - (cr3 % (this.mode === "pae" ? 0x20 : 0x1000));
  }

  /** PAE guests: the hypervisor reads the PDPTEs for the processor. @returns why it could not. */
  #loadPdptes(): GuestFault | HypervisorExit | undefined {
    this.#unheard.begin();
    this.#guestTables.beginPdptes();
    this.#guestTables.linear = false;
    const pdptes = this.#guestWalker.pdptes.slice();
    const isLoaded = this.#guestWalker.loadPdptes();
    this.#guestTables.linear = true;
    if (isLoaded && !this.#guestTables.stopped) return undefined;
    this.#guestWalker.pdptes.set(pdptes);
    return this.#guestTables.stopped ? exitOf(this.#host) : GENERAL_PROTECTION;
  }

  /** The shadow tables of one address space, made if there are none. */
  #enter(cr3: number): ShadowTables {
    const { memory, allocateFrame } = this.#options;
    const guestRoot = this.#rootOf(cr3);
    let tables = this.#roots.get(guestRoot);
    if (tables === undefined) {
      tables = new ShadowTables(memory, this.#levels, allocateFrame, this.#entryBytes);
      this.#roots.set(guestRoot, tables);
    }
    if (this.mode === "pae") this.#count(this.#dropChangedPdptes(tables));
    this.#loadRoot(tables);
    return tables;
  }

  /** Drops what was derived from other PDPTEs than the guest has loaded now. @returns how many entries. */
  #dropChangedPdptes(tables: ShadowTables): number {
    const now = this.#guestWalker.pdptes.slice();
    const before = this.#pdptes.get(tables) ?? now;
    this.#pdptes.set(tables, now);
    let zapped = 0;
    for (let i = 0; i < PDPTES; i++) {
      const isSame = now[2 * i] === before[2 * i] && now[2 * i + 1] === before[2 * i + 1];
      if (!isSame) zapped += tables.zap(tables.root + i * 8, 3);
    }
    return zapped;
  }

  /** Points the processor at shadow tables; those of PAE format begin with registers. */
  #loadRoot(tables: ShadowTables): void {
    this.#walker.setCr3(tables.root);
    const { pdptes } = this.#walker;
    for (let i = 0; i < pdptes.length; i++) pdptes[i] = this.#options.memory.load32(tables.root + i * 4);
  }

  #walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const { walkCache, linearTag } = this.structures;
    const walker = this.#walker;
    for (let attempt = 0; attempt < 2; attempt++) {
      // What the fault handler has dropped is not in walk caches any more.
      const cache = this.hasDropped ? undefined : walkCache;
      if (walkCached(walker, this.#tables, cache, linearTag, SHADOW_ENTRY, 0, gvaLow, gvaHigh, access)) {
        return this.take(walker);
      }
      const refusal = this.#resolve(gvaLow, gvaHigh, access);
      if (refusal !== undefined) return this.fail(refusal);
    }
    throw new Error("an entry filled in for an access allows it");
  }

  /** The hypervisor's fault handler. @returns undefined when the fault was a hidden one. */
  #resolve(gvaLow: number, gvaHigh: number, access: AccessBits): GuestFault | HypervisorExit | undefined {
    this.#unheard.begin();
    const walker = this.#guestWalker;
    this.#guestTables.begin();
    const isMapped = walker.walk(gvaLow, gvaHigh, access);
    if (this.#options.dirtyLog !== undefined) this.#logFlags(this.#options.dirtyLog);
    if (this.#guestTables.stopped) return exitOf(this.#host);
    if (!isMapped) {
      this.counters.pf_guest++;
      return pageFault(walker.errorCode);
    }
    const gpa = walker.gfn * 0x1000 + (gvaLow & 0xfff);
    if (!this.#host.locatePage(gpa, access & ACCESS_KINDS)) return exitOf(this.#host);
    this.counters.pf_fixed++;
    this.#fill(gvaOf(gvaLow, gvaHigh), access);
    return undefined;
  }

  /** The walk just made may have set flags in guest entries. */
  #logFlags(log: ShadowDirtyLog): void {
    for (const { address, hpa, low } of this.#guestTables.used) {
      if (this.#options.memory.load32(hpa) !== low) log.mark(address);
    }
  }

  /** Enters the page that guest walker and host have just found. */
  #fill(gva: bigint, access: AccessBits): void {
    const { attributes, pageShift: guestShift } = this.#guestWalker;
    const gpa = this.#guestWalker.gfn * 0x1000;
    const isLogged = this.#options.dirtyLog?.isLogged(gpa) === true;
    const isWrite = (access & ACCESS_WRITE) !== 0;
    if (isLogged && isWrite) this.#options.dirtyLog?.mark(gpa);
    const pageShift = isLogged ? 12 : this.#pageShiftIn(Math.min(guestShift, this.#host.pageShift));
    const isForced = (access & (ACCESS_WRITE | ACCESS_USER)) === ACCESS_WRITE && (attributes & PAGE_RW) === 0;
    if (isForced) this.#momentary = gva;
    const isDirty = (attributes & PAGE_D) !== 0 && (this.#host.permits & ACCESS_WRITE) !== 0;
    const zapped = this.#current.fill({
      gva,
      gpa: gpa - (gpa % 2 ** pageShift),
      hpa: this.#host.hpa - (this.#host.hpa % 2 ** pageShift),
      pageShift,
      writable: isDirty && (!isLogged || isWrite) && (isForced || (attributes & PAGE_RW) !== 0),
      user: (attributes & PAGE_US) !== 0,
      executable: (attributes & PAGE_XD) === 0 && (this.#host.permits & ACCESS_FETCH) !== 0,
      sources: this.#sources(),
    });
    this.#count(zapped);
    if (this.#levels === 3) this.#loadRoot(this.#current);
  }

  /** The largest page that shadow tables have, up to a size: 4-MByte pages are two of 2 MByte. */
  #pageShiftIn(most: number): 12 | 21 | 30 {
    if (most >= 30 && this.#levels > 3) return 30;
    return most >= 21 ? 21 : 12;
  }

  /** The guest entries used, level 1 first; below a large page, that page's. */
  #sources(): readonly number[] {
    const { used } = this.#guestTables;
    const leaf = used.at(-1);
    const sources = new Array<number>(used[0]?.level ?? 0).fill(leaf?.hpa ?? 0);
    for (const { level, hpa } of used) {
      sources[level - 1] = hpa;
      const frame = Math.floor(hpa / 0x1000);
      this.#protected.set(frame, Math.max(level, this.#protected.get(frame) ?? 0));
    }
    return sources;
  }
}

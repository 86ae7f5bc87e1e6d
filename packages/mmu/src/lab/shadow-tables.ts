import { PTE_A, PTE_D, PTE_HIGH_XD, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import type { TableMemory } from "./lab-memory.ts";

/** A page to be entered into shadow tables. */
export interface ShadowPage {
  readonly gva: bigint;
  /** Guest physical and host physical address of the page, aligned to its size. */
  readonly gpa: number;
  readonly hpa: number;
  readonly pageShift: 12 | 21 | 30;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  /** Host address of the guest entry that each level's shadow entry is derived from, level 1 first; PDPTEs have none. */
  readonly sources: readonly number[];
}

const ENTRIES = 512;

/** Switching bit of agile paging, where software's bits are: the entry refers to a table of the guest, not of ours. */
export const SHADOW_SWITCH = 0x200;

/**
 * Tables in the format of PAE (3 levels), 4-level or 5-level paging that map guest virtual to host physical addresses,
 * derived by a hypervisor from a guest's tables.
 *
 * Invariants:
 * 1. Every present entry but PDPTEs of PAE paging, which are registers, has one source: the guest entry of its level, or
 *    the guest's large-page entry above it. A change of the source makes the entry, and all below it, void.
 * 2. Upper entries grant everything; the rights of all the guest's levels are in the entry that maps the page.
 * 3. Tables are in use as long as an entry refers to them: what is dropped is zeroed and goes back to be used again.
 */
export class ShadowTables {
  readonly root: number;
  readonly #memory: TableMemory;
  readonly #levels: number;
  readonly #allocateFrame: () => number;
  readonly #sourceBytes: 4 | 8;
  readonly #free: number[] = [];
  readonly #sourceOf = new Map<number, { readonly source: number; readonly level: number }>();
  readonly #derived = new Map<number, Set<number>>();
  /** Entries that map pages, by the first guest frame of the page: the reverse map; and back. */
  readonly #mapped = new Map<number, Set<number>>();
  readonly #gfnOf = new Map<number, number>();
  /** What the sources held when they were used last. */
  readonly #seen = new Map<number, readonly [low: number, high: number]>();

  /** @param sourceBytes of the guest's entries. */
  constructor(memory: TableMemory, levels: 3 | 4 | 5, allocateFrame: () => number, sourceBytes: 4 | 8 = 8) {
    this.#memory = memory;
    this.#levels = levels;
    this.#allocateFrame = allocateFrame;
    this.#sourceBytes = sourceBytes;
    this.root = allocateFrame();
  }

  /**
   * Enters a page, over whatever was there. What the guest has changed on the way is dropped first: entries derived
   * before and after a change must not share a table, or a later resync could not tell them apart.
   * @returns how many entries were dropped for that.
   */
  fill(page: ShadowPage): number {
    const leafLevel = (page.pageShift - 3) / 9;
    const zapped = this.#enter(page, leafLevel, page.hpa, leafLevel > 1 ? PTE_PS : 0);
    const slot = this.#slotAt(page.gva, leafLevel);
    this.#gfnOf.set(slot, page.gpa / 0x1000);
    addTo(this.#mapped, page.gpa / 0x1000, slot);
    return zapped;
  }

  /**
   * As {@link fill}, but ends at `level` with an entry that has the switching bit and refers to the guest's own table.
   * @param rights those of the guest's entries from `level` up. @param table host address of the guest's table.
   */
  fillSwitch(rights: Omit<ShadowPage, "gpa" | "hpa" | "pageShift">, level: number, table: number): number {
    return this.#enter(rights, level, table, SHADOW_SWITCH);
  }

  #enter(page: Omit<ShadowPage, "gpa" | "hpa" | "pageShift">, leafLevel: number, target: number, kind: number): number {
    let zapped = this.resync(new Set(page.sources));
    let table = this.root;
    for (let level = this.#levels; level > leafLevel; level--) {
      const slot = slotOf(table, page.gva, level);
      const low = this.#memory.load32(slot);
      if ((low & PTE_P) === 0 || isLast(low, level)) {
        this.zap(slot, level);
        this.#store(slot, this.#free.pop() ?? this.#allocateFrame(), PTE_P | PTE_RW | PTE_US | PTE_A, 0);
      }
      this.#derive(slot, level, page.sources[level - 1]);
      table = this.#target(slot);
    }
    const slot = slotOf(table, page.gva, leafLevel);
    // Whoever has cached where a table was must hear that it is gone; a page that is replaced faults by itself.
    if (isLast(this.#memory.load32(slot), leafLevel)) this.zap(slot, leafLevel);
    else zapped += this.zap(slot, leafLevel);
    // A and D are set from the start: they are the hypervisor's here, and say nothing.
    const rights = (page.writable ? PTE_RW : 0) | (page.user ? PTE_US : 0) | kind;
    this.#store(slot, target, PTE_P | PTE_A | PTE_D | rights, page.executable ? 0 : PTE_HIGH_XD);
    this.#derive(slot, leafLevel, page.sources[leafLevel - 1]);
    return zapped;
  }

  /** Drops what was derived from the guest entry at `source`. @returns how many entries. */
  zapSource(source: number): number {
    let zapped = 0;
    // Dropping one may drop others of the list, where a large page of the guest is small ones here.
    for (const slot of [...(this.#derived.get(source) ?? [])]) {
      const derivation = this.#sourceOf.get(slot);
      if (derivation?.source === source) zapped += this.zap(slot, derivation.level);
    }
    return zapped;
  }

  /** Addresses of the entries that map the guest frame `gfn`, alone or in a large page. */
  entriesOf(gfn: number): readonly number[] {
    // Pages of 4 KiB, 2 MiB and 1 GiB.
    const starts = new Set([gfn, gfn - (gfn % 0x200), gfn - (gfn % 0x4_0000)]);
    return [...starts].flatMap((start) =>
      [...(this.#mapped.get(start) ?? [])].filter((slot) => gfn < start + 2 ** (9 * (this.#levelOf(slot) - 1))),
    );
  }

  /** Drops what maps the guest frame `gfn`. @returns how many entries. */
  zapGuestFrame(gfn: number): number {
    let zapped = 0;
    for (const slot of this.entriesOf(gfn)) zapped += this.zap(slot, this.#levelOf(slot));
    return zapped;
  }

  /** Drops what was derived from guest entries in the host frame `pfn`. @returns how many entries. */
  zapSources(pfn: number): number {
    let zapped = 0;
    for (let at = pfn * 0x1000; at < (pfn + 1) * 0x1000; at += this.#sourceBytes) zapped += this.zapSource(at);
    return zapped;
  }

  /** Clears `flags` of what maps the guest frame `gfn`. @returns whether an entry had them. */
  takeFlags(gfn: number, flags: number): boolean {
    let had = false;
    for (const slot of this.entriesOf(gfn)) {
      const low = this.#memory.load32(slot);
      had ||= (low & flags) !== 0;
      this.#memory.store32(slot, low & ~flags);
    }
    return had;
  }

  /** Drops what the guest has changed since it was derived. @returns how many entries. */
  resync(sources: Iterable<number> = [...this.#derived.keys()]): number {
    let zapped = 0;
    for (const source of sources) if (this.#hasChanged(source)) zapped += this.zapSource(source);
    return zapped;
  }

  /** As {@link resync}, for the entries on the way to one address: INVLPG. */
  resyncAt(gva: bigint): number {
    const sources: number[] = [];
    let table = this.root;
    for (let level = this.#levels; level > 0; level--) {
      const slot = slotOf(table, gva, level);
      const low = this.#memory.load32(slot);
      if ((low & PTE_P) === 0) break;
      const derivation = this.#sourceOf.get(slot);
      if (derivation !== undefined) sources.push(derivation.source);
      if (isLast(low, level)) break;
      table = this.#target(slot);
    }
    return this.resync(sources);
  }

  /** Drops the entry that maps `gva`, if any. */
  zapPage(gva: bigint): void {
    let table = this.root;
    for (let level = this.#levels; level > 0; level--) {
      const slot = slotOf(table, gva, level);
      const low = this.#memory.load32(slot);
      if ((low & PTE_P) === 0) return;
      if (isLast(low, level)) {
        this.zap(slot, level);
        return;
      }
      table = this.#target(slot);
    }
  }

  /** Drops everything. @returns how many entries. */
  clear(): number {
    let zapped = 0;
    for (let i = 0; i < ENTRIES; i++) zapped += this.zap(this.root + i * 8, this.#levels);
    return zapped;
  }

  /** Drops one entry and all below it. @returns how many entries that map pages or refer to tables were present. */
  zap(slot: number, level: number): number {
    const low = this.#memory.load32(slot);
    if ((low & PTE_P) === 0) return 0;
    let zapped = 1;
    if (!isLast(low, level)) {
      const table = this.#target(slot);
      for (let i = 0; i < ENTRIES; i++) zapped += this.zap(table + i * 8, level - 1);
      this.#free.push(table);
    }
    this.#store(slot, 0, 0, 0);
    this.#forget(slot);
    return zapped;
  }

  /** Flags that the hypervisor's walks have added since are no change. */
  #hasChanged(source: number): boolean {
    const seen = this.#seen.get(source);
    if (seen === undefined) return false;
    const [low, high] = seen;
    const now = this.#memory.load32(source);
    const marks = PTE_A | PTE_D;
    return ((low ^ now) & ~marks) !== 0 || (low & ~now & marks) !== 0 || high !== this.#highOf(source);
  }

  #highOf(source: number): number {
    return this.#sourceBytes === 8 ? this.#memory.load32(source + 4) : 0;
  }

  #derive(slot: number, level: number, source: number | undefined): void {
    this.#forget(slot);
    if (source === undefined) return;
    this.#sourceOf.set(slot, { source, level });
    addTo(this.#derived, source, slot);
    this.#seen.set(source, [this.#memory.load32(source), this.#highOf(source)]);
  }

  #forget(slot: number): void {
    const gfn = this.#gfnOf.get(slot);
    if (gfn !== undefined) removeFrom(this.#mapped, gfn, slot);
    this.#gfnOf.delete(slot);
    const source = this.#sourceOf.get(slot)?.source;
    if (source === undefined) return;
    this.#sourceOf.delete(slot);
    removeFrom(this.#derived, source, slot);
    if (!this.#derived.has(source)) this.#seen.delete(source);
  }

  #levelOf(slot: number): number {
    return this.#sourceOf.get(slot)?.level ?? 1;
  }

  /** The entry of `level` for `gva`, whose tables there are. */
  #slotAt(gva: bigint, level: number): number {
    let table = this.root;
    for (let above = this.#levels; above > level; above--) table = this.#target(slotOf(table, gva, above));
    return slotOf(table, gva, level);
  }

  #target(slot: number): number {
    const low = (this.#memory.load32(slot) & ~0xfff) >>> 0;
    return (this.#memory.load32(slot + 4) & 0xf_ffff) * 2 ** 32 + low;
  }

  #store(slot: number, physical: number, lowFlags: number, highFlags: number): void {
    this.#memory.store32(slot, (physical % 2 ** 32) | lowFlags);
    this.#memory.store32(slot + 4, Math.floor(physical / 2 ** 32) | highFlags);
  }
}

function slotOf(table: number, gva: bigint, level: number): number {
  return table + Number((gva >> BigInt(3 + 9 * level)) & 0x1ffn) * 8;
}

/** Whether no table of ours is under a present entry. */
function isLast(low: number, level: number): boolean {
  return level === 1 || (low & (PTE_PS | SHADOW_SWITCH)) !== 0;
}

function addTo(sets: Map<number, Set<number>>, key: number, slot: number): void {
  const slots = sets.get(key);
  if (slots === undefined) sets.set(key, new Set([slot]));
  else slots.add(slot);
}

function removeFrom(sets: Map<number, Set<number>>, key: number, slot: number): void {
  const slots = sets.get(key);
  slots?.delete(slot);
  if (slots?.size === 0) sets.delete(key);
}

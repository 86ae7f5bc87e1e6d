import { ACCESS_FETCH, ACCESS_KINDS, ACCESS_WRITE, type AccessBits } from "../access.ts";
import { createWalker } from "../create-walker.ts";
import { PTE_HIGH_XD, PTE_RW, PTE_US } from "../pte.ts";
import type { RightsControls } from "../rights.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import { PAGE_D, PAGE_RW, PAGE_US, PAGE_XD, type Walker } from "../walker.ts";
import { AgilePolicy } from "./agile-policy.ts";
import { AgileTables } from "./agile-tables.ts";
import { BaseTranslator } from "./base-translator.ts";
import { createHostDimension } from "./create-host-dimension.ts";
import { gvaOf, pageFault } from "./guest-address.ts";
import { GuestTables } from "./guest-tables.ts";
import { exitOf, type HostDimension, type HostPaging } from "./host-dimension.ts";
import type { TableMemory } from "./lab-memory.ts";
import { ShadowTables } from "./shadow-tables.ts";
import { TABLE_SHAPES, walkCached } from "./traced-tables.ts";
import type { GuestFault, GuestPaging, HypervisorExit, Translator } from "./translator.ts";
import { SHADOW_ENTRY, WalkLog } from "./walk-log.ts";

/** What {@link createAgileTranslator} needs. */
export interface AgileOptions {
  /** Host memory: the host's tables, guest memory where they place it, and the shadow tables. */
  readonly memory: TableMemory;
  /** CR0.WP and EFER.NXE must be on: one walk passes shadow entries, which need both, and the guest's own. */
  readonly guest: GuestPaging & { readonly mode: "long4" | "long5" };
  readonly host: Extract<HostPaging, { kind: "ept" | "npt" }>;
  /** Gives a frame of zeros in host memory for a shadow table. */
  readonly allocateFrame: () => number;
  /**
   * Guest tables of this level and below are walked in two dimensions on the way to `gva`. 0: shadow tables throughout; the
   * number of levels: from the root, found by its host address; one more: plain nesting. `adaptive`, the default: the
   * hypervisor learns from the guest's stores which tables, of all but the root, change too often; see
   * {@link AgileTranslator.endInterval}.
   */
  readonly nestedFrom?: ((gva: bigint) => number) | "adaptive";
  /** Default: none, so that every walk reads every entry. */
  readonly structures?: WalkStructures;
}

/** Agile paging, with what a guest does to its tables. */
export interface AgileTranslator extends Translator {
  /**
   * A store of the guest to one of its tables, of four bytes or, with `high`, of an entry's eight. It traps, and acts at once, where shadow entries were
   * derived from the table; nested levels take it like any other.
   * @returns undefined when it went through.
   */
  storeTable(gpa: number, value: number, high?: number): HypervisorExit | undefined;
  /** Stores that trapped. */
  readonly tracingFaults: number;
  /** Faults of the guest's that the hypervisor had to look at first, because shadow tables raised them. */
  readonly interceptedFaults: number;
  /**
   * An interval of the adaptive policy ends: tables that were not stored to in it are shadowed again. Whoever has a clock
   * calls this; without it what was nested once remains so.
   */
  endInterval(): void;
}

/**
 * Agile paging: a walk begins in shadow tables and switches to two dimensions at the level where the guest's tables
 * change too often to be shadowed. J. Gandhi et al., "Agile Paging: Exceeding the Best of Nested and Shadow Paging",
 * ISCA 2016. With 4-KByte pages it costs 4 references for no nested level, then 8, 12, 16 and 20, and 24 for plain
 * nesting.
 * @throws RangeError (code `MMU_REGISTERS`, `MMU_EPTP` or `MMU_AGILE`)
 */
export function createAgileTranslator(options: AgileOptions): AgileTranslator {
  const { wp = false, nxe = false } = options.guest.registers;
  if (!wp || !nxe) {
    throw Object.assign(new RangeError("agile paging needs a guest with wp and nxe"), { code: "MMU_AGILE" });
  }
  return new Agile(options);
}

class Agile extends BaseTranslator implements AgileTranslator {
  readonly scheme = "agile";
  readonly controls: RightsControls;
  tracingFaults = 0;
  interceptedFaults = 0;
  readonly #policy: AgilePolicy | undefined;
  readonly #nestedFrom: (gva: bigint) => number;
  readonly #options: AgileOptions;
  readonly #levels: 4 | 5;
  readonly #host: HostDimension;
  readonly #tables: AgileTables;
  readonly #walker: Walker;
  /** The hypervisor's own walks: not told. */
  readonly #unheard: WalkLog;
  readonly #softHost: HostDimension;
  readonly #softTables: GuestTables;
  readonly #softWalker: Walker;
  /** Host frames of guest tables that entries were derived from, with the highest level seen. */
  readonly #protected = new Map<number, number>();
  /** By the frame of a nested table: the guest's entries that refer to it, from which switching entries were derived. */
  readonly #switches = new Map<number, Set<number>>();
  readonly #roots = new Map<number, ShadowTables>();

  constructor(options: AgileOptions) {
    const { memory, guest, host, nestedFrom = "adaptive", structures = new WalkStructures() } = options;
    super(guest.mode, structures);
    this.#policy = nestedFrom === "adaptive" ? new AgilePolicy() : undefined;
    this.#nestedFrom = nestedFrom === "adaptive" ? () => this.#learntLevel() : nestedFrom;
    const shape = TABLE_SHAPES[guest.mode];
    const unheard = new WalkLog();
    this.#options = options;
    this.#levels = shape.levels;
    this.#host = createHostDimension(host, memory, this.log, structures);
    this.#tables = new AgileTables(memory, shape, this.#host, this.log);
    this.#walker = createWalker(guest.mode, this.#tables, guest.registers);
    this.controls = this.#walker.registers;
    this.#unheard = unheard;
    this.#softHost = createHostDimension(host, memory, unheard, new WalkStructures());
    this.#softTables = new GuestTables(memory, shape, this.#softHost, unheard);
    this.#softWalker = createWalker(guest.mode, this.#softTables, guest.registers);
  }

  writeCr3(cr3: number): undefined {
    this.#softWalker.configure({ cr3 });
    return undefined;
  }

  storeTable(gpa: number, value: number, high?: number): HypervisorExit | undefined {
    this.#unheard.begin();
    if (!this.#softHost.locatePage(gpa, ACCESS_WRITE)) return exitOf(this.#softHost);
    const { hpa } = this.#softHost;
    this.#options.memory.store32(hpa, value);
    if (high !== undefined) this.#options.memory.store32(hpa + 4, high);
    const frame = Math.floor(hpa / 0x1000);
    this.#policy?.store(frame);
    const level = this.#protected.get(frame);
    if (level === undefined) return undefined;
    this.tracingFaults++;
    this.#zap((tables) => tables.zapSource(hpa - (hpa % 8)));
    if (level < this.#levels && this.#policy?.trap(frame) === true) {
      this.#protected.delete(frame);
      this.#zap((tables) => tables.zapSources(frame));
    }
    return undefined;
  }

  endInterval(): void {
    for (const frame of this.#policy?.endInterval() ?? []) {
      for (const source of this.#switches.get(frame) ?? []) this.#zap((tables) => tables.zapSource(source));
      this.#switches.delete(frame);
    }
  }

  /** Drops shadow entries of every address space. */
  #zap(drop: (tables: ShadowTables) => number): void {
    for (const tables of this.#roots.values()) if (drop(tables) > 0) this.hasDropped = true;
  }

  protected override search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const { walkCache, linearTag } = this.structures;
    const walker = this.#walker;
    const tables = this.#tables;
    for (let attempt = 0; attempt < 2; attempt++) {
      const failure = this.#begin(gvaLow, gvaHigh);
      if (failure !== undefined) return this.fail(failure);
      // What the fault handler has dropped is not in walk caches any more.
      const cache = this.hasDropped ? undefined : walkCache;
      const isMapped = walkCached(walker, tables, cache, linearTag, SHADOW_ENTRY, 0, gvaLow, gvaHigh, access);
      if (isMapped && !tables.stopped) return this.#finish(gvaLow, access);
      // Below a switching entry the fault is the guest's, as under plain nesting, and nobody else hears of it.
      if (tables.stopped || tables.place !== "shadow") return this.failThrough(this.#host, tables.stopped, walker);
      const refusal = this.#resolve(gvaLow, gvaHigh, access);
      if (refusal !== undefined) return this.fail(refusal);
    }
    throw new Error("an entry filled in for an access allows it");
  }

  /** Points the processor at the tables the walk begins in. */
  #begin(gvaLow: number, gvaHigh: number): HypervisorExit | undefined {
    // What is learnt never leads above the root's entries, and costs no look at the address.
    const nestedFrom = this.#policy === undefined ? this.#nestedFrom(gvaOf(gvaLow, gvaHigh)) : 0;
    const { cr3 } = this.#softWalker.registers;
    const guestRoot = cr3 - (cr3 % 0x1000);
    this.#tables.place = nestedFrom > this.#levels ? "guest" : nestedFrom === this.#levels ? "switched" : "shadow";
    if (this.#tables.place === "guest") this.#walker.setCr3(cr3);
    if (this.#tables.place === "shadow") this.#walker.setCr3(this.#shadowTables(guestRoot).root);
    if (this.#tables.place !== "switched") return undefined;
    // The hypervisor has put the root's host address into the register at the last CR3 load.
    if (!this.#softHost.locateTable(guestRoot, this.#levels, true)) return exitOf(this.#softHost);
    this.#walker.setCr3(this.#softHost.hpa);
    return undefined;
  }

  #finish(gvaLow: number, access: AccessBits): boolean {
    if (this.#tables.place === "shadow") return this.take(this.#walker);
    return this.takeThrough(this.#host, this.#walker, gvaLow, access);
  }

  #shadowTables(guestRoot: number): ShadowTables {
    let tables = this.#roots.get(guestRoot);
    if (tables === undefined) {
      tables = new ShadowTables(this.#options.memory, this.#levels, this.#options.allocateFrame);
      this.#roots.set(guestRoot, tables);
    }
    return tables;
  }

  /** The hypervisor's fault handler. @returns undefined when the fault was a hidden one. */
  #resolve(gvaLow: number, gvaHigh: number, access: AccessBits): GuestFault | HypervisorExit | undefined {
    const gva = gvaOf(gvaLow, gvaHigh);
    this.#unheard.begin();
    this.#softTables.begin();
    const isMapped = this.#softWalker.walk(gvaLow, gvaHigh, access);
    if (this.#softTables.stopped) return exitOf(this.#softHost);
    if (!isMapped) {
      this.interceptedFaults++;
      return pageFault(this.#softWalker.errorCode);
    }
    const gpa = this.#softWalker.gfn * 0x1000 + (gvaLow & 0xfff);
    if (!this.#softHost.locatePage(gpa, access & ACCESS_KINDS)) return exitOf(this.#softHost);
    this.hiddenFaults++;
    const leafLevel = this.#softTables.used.at(-1)?.level ?? 1;
    const nestedFrom = this.#nestedFrom(gva);
    if (nestedFrom >= leafLevel) this.#fillSwitch(gva, nestedFrom);
    else this.#fillPage(gva);
    return undefined;
  }

  #fillPage(gva: bigint): void {
    const { attributes, pageShift: guestShift } = this.#softWalker;
    const { hpa, permits, pageShift: hostShift } = this.#softHost;
    const pageShift = Math.min(guestShift, hostShift) as 12 | 21 | 30;
    const mayWrite = (attributes & PAGE_RW) !== 0 && (permits & ACCESS_WRITE) !== 0;
    const gpa = this.#softWalker.gfn * 0x1000;
    const zapped = this.#current().fill({
      gva,
      gpa: gpa - (gpa % 2 ** pageShift),
      hpa: hpa - (hpa % 2 ** pageShift),
      pageShift,
      // Clean pages are entered read-only, so that the first write is seen.
      writable: mayWrite && (attributes & PAGE_D) !== 0,
      user: (attributes & PAGE_US) !== 0,
      executable: (attributes & PAGE_XD) === 0 && (permits & ACCESS_FETCH) !== 0,
      sources: this.#sources(1),
    });
    this.hasDropped ||= zapped > 0;
  }

  /** Enters what leads to the guest's table of level `nestedFrom`, with the rights of the guest's entries above it. */
  #fillSwitch(gva: bigint, nestedFrom: number): void {
    const { memory } = this.#options;
    const above = this.#softTables.used.filter(({ level }) => level > nestedFrom);
    const entry = this.#softTables.used.find(({ level }) => level === nestedFrom)?.hpa ?? 0;
    const frame = Math.floor(entry / 0x1000);
    const referring = this.#switches.get(frame) ?? new Set();
    this.#switches.set(frame, referring.add(above.at(-1)?.hpa ?? 0));
    const rights = above.reduce((all, { low }) => all & low, PTE_RW | PTE_US);
    const page = {
      gva,
      writable: (rights & PTE_RW) !== 0,
      user: (rights & PTE_US) !== 0,
      executable: above.every(({ hpa }) => (memory.load32(hpa + 4) & PTE_HIGH_XD) === 0),
      sources: this.#sources(nestedFrom + 1),
    };
    const zapped = this.#current().fillSwitch(page, nestedFrom + 1, frame * 0x1000);
    this.hasDropped ||= zapped > 0;
  }

  /**
   * The highest nested table on the way that the hypervisor has just walked. No root is one, even in a frame that was
   * learnt to be nested when it held a lower table: no shadow entry is above a root's, to switch in.
   */
  #learntLevel(): number {
    const nested = this.#softTables.used.find(
      ({ level, hpa }) => level < this.#levels && this.#policy?.isNested(Math.floor(hpa / 0x1000)),
    );
    return nested?.level ?? 0;
  }

  #current(): ShadowTables {
    const { cr3 } = this.#softWalker.registers;
    return this.#shadowTables(cr3 - (cr3 % 0x1000));
  }

  /** The guest entries used from `lowest` up, level 1 first; below a large page, that page's. Their tables now trap. */
  #sources(lowest: number): readonly number[] {
    const { used } = this.#softTables;
    const sources = new Array<number>(this.#levels).fill(used.at(-1)?.hpa ?? 0);
    for (const { level, hpa } of used) {
      sources[level - 1] = hpa;
      if (level < lowest) continue;
      const frame = Math.floor(hpa / 0x1000);
      this.#protected.set(frame, Math.max(level, this.#protected.get(frame) ?? 0));
    }
    return sources;
  }
}

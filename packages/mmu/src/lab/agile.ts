import { ACCESS_FETCH, ACCESS_KINDS, ACCESS_WRITE, type AccessBits } from "../access.ts";
import { createWalker } from "../create-walker.ts";
import type { Access } from "../mmu.ts";
import { PTE_HIGH_XD, PTE_RW, PTE_US } from "../pte.ts";
import { PAGE_D, PAGE_RW, PAGE_US, PAGE_XD, type Walker } from "../walker.ts";
import { AgileTables } from "./agile-tables.ts";
import { accessBits, GENERAL_PROTECTION, isCanonical, pageFault, physicalAddress, walkGva } from "./guest-address.ts";
import { GuestTables } from "./guest-tables.ts";
import { createHostDimension, exitOf, type HostDimension, type HostPaging } from "./host-dimension.ts";
import type { TableMemory } from "./lab-memory.ts";
import { ShadowTables } from "./shadow-tables.ts";
import { TABLE_SHAPES } from "./traced-tables.ts";
import type {
  GuestFault,
  GuestPaging,
  HypervisorExit,
  Mapping,
  Translator,
  Walk,
  WalkReference,
} from "./translator.ts";

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
   * The hypervisor's policy, asked when an entry is filled in: guest tables of this level and below are walked in two dimensions on the way to `gva`. 0:
   * shadow tables throughout; the number of levels: from the root, found by its host address; one more: plain nesting.
   */
  readonly nestedFrom: (gva: bigint) => number;
}

/** Agile paging, with what a guest does to its tables. */
export interface AgileTranslator extends Translator {
  /**
   * A store of the guest to four bytes of one of its tables. It traps, and acts at once, where shadow entries were
   * derived from the table; nested levels take it like any other.
   * @returns undefined when it went through.
   */
  storeTable(gpa: number, value: number): HypervisorExit | undefined;
  /** Stores that trapped. */
  readonly tracingFaults: number;
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

class Agile implements AgileTranslator {
  readonly scheme = "agile";
  tracingFaults = 0;
  readonly #options: AgileOptions;
  readonly #levels: 4 | 5;
  readonly #log: WalkReference[] = [];
  readonly #host: HostDimension;
  readonly #tables: AgileTables;
  readonly #walker: Walker;
  /** The hypervisor's own walks: not told. */
  readonly #softHost: HostDimension;
  readonly #softTables: GuestTables;
  readonly #softWalker: Walker;
  readonly #protected = new Set<number>();
  readonly #roots = new Map<number, ShadowTables>();
  #hiddenFaults = 0;

  constructor(options: AgileOptions) {
    const { memory, guest, host } = options;
    const shape = TABLE_SHAPES[guest.mode];
    const unheard: WalkReference[] = [];
    this.#options = options;
    this.#levels = shape.levels;
    this.#host = createHostDimension(host, memory, this.#log);
    this.#tables = new AgileTables(memory, shape, this.#host, this.#log);
    this.#walker = createWalker(guest.mode, this.#tables, guest.registers);
    this.#softHost = createHostDimension(host, memory, unheard);
    this.#softTables = new GuestTables(memory, shape, this.#softHost, unheard);
    this.#softWalker = createWalker(guest.mode, this.#softTables, guest.registers);
  }

  translate(gva: bigint, access: Access): Walk {
    this.#log.length = 0;
    this.#hiddenFaults = 0;
    const outcome = isCanonical(this.#walker.mode, gva) ? this.#walk(gva, accessBits(access)) : GENERAL_PROTECTION;
    return { references: [...this.#log], outcome, hiddenFaults: this.#hiddenFaults };
  }

  writeCr3(cr3: number): undefined {
    this.#softWalker.configure({ cr3 });
    return undefined;
  }

  storeTable(gpa: number, value: number): HypervisorExit | undefined {
    if (!this.#softHost.locatePage(gpa, ACCESS_WRITE)) return exitOf(this.#softHost);
    const { hpa } = this.#softHost;
    this.#options.memory.store32(hpa, value);
    if (!this.#protected.has(Math.floor(hpa / 0x1000))) return undefined;
    this.tracingFaults++;
    for (const tables of this.#roots.values()) tables.zapSource(hpa - (hpa % 8));
    return undefined;
  }

  #walk(gva: bigint, access: AccessBits): Mapping | GuestFault | HypervisorExit {
    const nestedFrom = this.#options.nestedFrom(gva);
    for (let attempt = 0; attempt < 2; attempt++) {
      const failure = this.#begin(nestedFrom);
      if (failure !== undefined) return failure;
      if (walkGva(this.#walker, gva, access)) return this.#finish(gva, access);
      if (this.#tables.stopped) return exitOf(this.#host);
      // Below a switching entry the fault is the guest's, as under plain nesting, and nobody else hears of it.
      if (this.#tables.place !== "shadow") return pageFault(this.#walker.errorCode);
      const refusal = this.#resolve(gva, access, nestedFrom);
      if (refusal !== undefined) return refusal;
    }
    throw new Error("an entry filled in for an access allows it");
  }

  /** Points the processor at the tables the walk begins in. */
  #begin(nestedFrom: number): HypervisorExit | undefined {
    const { cr3 } = this.#softWalker.registers;
    const guestRoot = cr3 - (cr3 % 0x1000);
    this.#tables.begin();
    this.#tables.place = nestedFrom > this.#levels ? "guest" : nestedFrom === this.#levels ? "switched" : "shadow";
    if (this.#tables.place === "guest") this.#walker.setCr3(cr3);
    if (this.#tables.place === "shadow") this.#walker.setCr3(this.#shadowTables(guestRoot).root);
    if (this.#tables.place !== "switched") return undefined;
    // The hypervisor has put the root's host address into the register at the last CR3 load.
    if (!this.#softHost.locateTable(guestRoot, this.#levels, true)) return exitOf(this.#softHost);
    this.#walker.setCr3(this.#softHost.hpa);
    return undefined;
  }

  #finish(gva: bigint, access: AccessBits): Mapping | HypervisorExit {
    if (this.#tables.stopped) return exitOf(this.#host);
    const address = physicalAddress(this.#walker, gva);
    const { pageShift, permits } = this.#walker;
    if (this.#tables.place === "shadow") return { receiver: "none", hpa: address, pageShift, permits };
    if (!this.#host.locatePage(address, access & ACCESS_KINDS)) return exitOf(this.#host);
    const { hpa, permits: granted, pageShift: hostShift } = this.#host;
    const shift = Math.min(pageShift, hostShift);
    return { receiver: "none", hpa, gpa: address, pageShift: shift, permits: permits & granted };
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
  #resolve(gva: bigint, access: AccessBits, nestedFrom: number): GuestFault | HypervisorExit | undefined {
    this.#softTables.begin();
    const isMapped = walkGva(this.#softWalker, gva, access);
    if (this.#softTables.stopped) return exitOf(this.#softHost);
    if (!isMapped) return pageFault(this.#softWalker.errorCode);
    const gpa = physicalAddress(this.#softWalker, gva);
    if (!this.#softHost.locatePage(gpa, access & ACCESS_KINDS)) return exitOf(this.#softHost);
    this.#hiddenFaults++;
    const leafLevel = this.#softTables.used.at(-1)?.level ?? 1;
    if (nestedFrom >= leafLevel) this.#fillSwitch(gva, nestedFrom);
    else this.#fillPage(gva);
    return undefined;
  }

  #fillPage(gva: bigint): void {
    const { attributes, pageShift: guestShift } = this.#softWalker;
    const { hpa, permits, pageShift: hostShift } = this.#softHost;
    const pageShift = Math.min(guestShift, hostShift) as 12 | 21 | 30;
    const mayWrite = (attributes & PAGE_RW) !== 0 && (permits & ACCESS_WRITE) !== 0;
    this.#current().fill({
      gva,
      hpa: hpa - (hpa % 2 ** pageShift),
      pageShift,
      // Clean pages are entered read-only, so that the first write is seen.
      writable: mayWrite && (attributes & PAGE_D) !== 0,
      user: (attributes & PAGE_US) !== 0,
      executable: (attributes & PAGE_XD) === 0 && (permits & ACCESS_FETCH) !== 0,
      sources: this.#sources(1),
    });
  }

  /** Enters what leads to the guest's table of level `nestedFrom`, with the rights of the guest's entries above it. */
  #fillSwitch(gva: bigint, nestedFrom: number): void {
    const { memory } = this.#options;
    const above = this.#softTables.used.filter(({ level }) => level > nestedFrom);
    const entry = this.#softTables.used.find(({ level }) => level === nestedFrom)?.hpa ?? 0;
    const rights = above.reduce((all, { low }) => all & low, PTE_RW | PTE_US);
    const page = {
      gva,
      writable: (rights & PTE_RW) !== 0,
      user: (rights & PTE_US) !== 0,
      executable: above.every(({ hpa }) => (memory.load32(hpa + 4) & PTE_HIGH_XD) === 0),
      sources: this.#sources(nestedFrom + 1),
    };
    this.#current().fillSwitch(page, nestedFrom + 1, entry - (entry % 0x1000));
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
      if (level >= lowest) this.#protected.add(Math.floor(hpa / 0x1000));
    }
    return sources;
  }
}

import { type AgileOptions, createAgileTranslator } from "../lab/agile.ts";
import { createTables, type TableFormat, type Tables } from "../lab/build-tables.ts";
import type { PageSize } from "../lab/demonstration.ts";
import { createHashedTranslator } from "../lab/hashed.ts";
import { createHashedTables, type HashedTables } from "../lab/hashed-tables.ts";
import type { HashedProbes } from "../lab/hashed-walker.ts";
import { createNativeTranslator } from "../lab/native.ts";
import { createNestedTranslator } from "../lab/nested.ts";
import { createShadowTranslator, type ShadowSync } from "../lab/shadow.ts";
import type { GuestPaging, Translator } from "../lab/translator.ts";
import { geometryError } from "../structures/geometry.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import { FlatMemory, REGION_BYTES } from "./flat-memory.ts";
import { FrameAllocator } from "./frame-allocator.ts";
import { HashedTablesSource } from "./hashed-process-tables.ts";
import type { TablePort, TablesSource } from "./process-tables.ts";
import { type RadixShape, RadixTablesSource } from "./radix-tables.ts";

/** Schemes that can be simulated. */
export type SimulatedScheme = "native" | "naive" | "ept" | "npt" | "shadow" | "agile" | "flattened" | "hashed";

/** `flattened` and `hashed`: two dimensions of tables in these formats, walked by hardware as under NPT. */
export const SIMULATED_SCHEMES: readonly SimulatedScheme[] = [
  "native",
  "naive",
  "ept",
  "npt",
  "shadow",
  "agile",
  "flattened",
  "hashed",
];

/** The memory system under a guest. */
export interface SchemeOptions {
  readonly scheme: SimulatedScheme;
  /** Pages the guest maps; default 4K. */
  readonly guestPages?: PageSize;
  /** Pages the host backs the guest with; default 4K. */
  readonly hostPages?: PageSize;
  /** Default 4. */
  readonly guestLevels?: 4 | 5;
  /** Default 4. */
  readonly hostLevels?: 4 | 5;
  /** `ept`: accessed and dirty flags. Default true. */
  readonly accessedDirty?: boolean;
  /** `shadow`: see `ShadowOptions`. Default `unsync`. */
  readonly sync?: ShadowSync;
  /** `shadow`: default `cached`. */
  readonly roots?: "cached" | "dropped";
  /** `agile`: the highest level walked in two dimensions, 0 to 5; default `adaptive`, which learns it for each table. */
  readonly nestedFrom?: number | "adaptive";
  /** `agile`: accesses in an interval of the adaptive policy; default 16384. */
  readonly interval?: number;
  /** `hashed`: which buckets a lookup reads; default `all`. */
  readonly probes?: HashedProbes;
}

/** Software's side of a scheme: where the guest's stores go, and what makes a host page appear. */
export interface SchemeMachine {
  readonly translator: Translator;
  readonly port: TablePort;
  /** The guest's tables in the format of the scheme. @param port takes what is stored to them. */
  tablesOf(port: TablePort): TablesSource;
  /** Backs the page at a guest physical address. @returns false: there was one already. */
  back(gpa: number): boolean;
  /** Host pages given out. */
  hostPages(): number;
  /** Stores that trapped so far. */
  tracingFaults(): number;
  /** Whether the guest's page faults, INVLPG and CR3 loads are exits. */
  readonly interceptsPaging: boolean;
  /** Faults of the guest's that were exits although others are not. */
  interceptedFaults(): number;
  /** So many accesses more were made: what the hypervisor does by the clock. */
  pass(accesses: number): void;
}

/** Guest physical memory lies from here on in host memory; below are the host's tables and shadow tables. */
const GUEST_HPA: number = REGION_BYTES;
/** Shadow tables begin here, above the host's. */
const SHADOW_TABLES: number = REGION_BYTES / 2;
const MAX_PHYS = 52;
/** The host's tables begin here: where tables of 2 MByte can, too. */
const FIRST_TABLE = 0x20_0000;
/** A second of time, as in the paper on agile paging, would be longer than most simulations. */
const DEFAULT_INTERVAL = 16_384;
export const PAGE_SHIFTS = { "4K": 12, "2M": 21, "1G": 30 } as const satisfies Record<PageSize, number>;

/**
 * Makes memory, the host's tables and a translator for a guest that has no tables yet.
 * @throws RangeError (code `MMU_GEOMETRY`) for pages or levels that the scheme's tables do not have.
 */
export function createSchemeMachine(options: SchemeOptions, structures: WalkStructures): SchemeMachine {
  checkOptions(options);
  if (options.scheme === "native") return createNativeMachine(options, structures);
  const host = new HostMemory(options);
  const { memory } = host;
  const guest = guestPaging(options);
  const frames = new FrameAllocator(SHADOW_TABLES, 0x1000);
  const allocateFrame = (): number => frames.take();
  const { scheme } = options;
  if (scheme === "hashed") return createHashedMachine(options, host, structures);
  if (scheme === "shadow") {
    const { sync = "unsync", roots = "cached" } = options;
    const process = { kind: "process", ...host.ordinary(), hvaBase: 0 } as const;
    const shadow = createShadowTranslator({ memory, guest, host: process, allocateFrame, sync, roots, structures });
    const store = (gpa: number, low: number, high: number): unknown => shadow.storeTable(gpa, low, high);
    return host.machine(shadow, store, () => shadow.counters.mmu_pte_write, true);
  }
  if (scheme === "agile") {
    return createAgileMachine(options, host, { memory, guest, host: host.ept(), allocateFrame, structures });
  }
  const paging =
    scheme === "ept"
      ? host.ept()
      : scheme === "npt" || scheme === "flattened"
        ? ({ kind: "npt", ...host.ordinary() } as const)
        : ({ kind: "process", ...host.ordinary(), hvaBase: 0 } as const);
  const walked = scheme === "flattened" ? { mode: scheme, registers: REGISTERS } : guest;
  const nested = createNestedTranslator({ memory, guest: walked, host: paging, structures });
  return host.machine(nested, undefined, () => 0, false);
}

function createAgileMachine(
  { nestedFrom = "adaptive", interval = DEFAULT_INTERVAL }: SchemeOptions,
  host: HostMemory,
  parts: Omit<AgileOptions, "nestedFrom">,
): SchemeMachine {
  const agile = createAgileTranslator({
    ...parts,
    nestedFrom: nestedFrom === "adaptive" ? nestedFrom : () => nestedFrom,
  });
  const store = (gpa: number, low: number, high: number): unknown => agile.storeTable(gpa, low, high);
  let passed = 0;
  return {
    ...host.machine(agile, store, () => agile.tracingFaults, false),
    interceptedFaults: () => agile.interceptedFaults,
    pass: (accesses) => {
      passed += accesses;
      if (passed < interval) return;
      passed = 0;
      agile.endInterval();
    },
  };
}

const REGISTERS = { wp: true, nxe: true, pge: true, maxPhyAddr: MAX_PHYS } as const;

function guestPaging({ guestLevels = 4 }: SchemeOptions): GuestPaging & { readonly mode: "long4" | "long5" } {
  return { mode: guestLevels === 4 ? "long4" : "long5", registers: REGISTERS };
}

function checkOptions({ scheme, guestPages, hostPages, guestLevels = 4, hostLevels = 4 }: SchemeOptions): void {
  if (scheme !== "flattened" && scheme !== "hashed") return;
  if (guestLevels !== 4 || hostLevels !== 4) throw geometryError(`${scheme} tables have levels of their own, not 5`);
  const has2M = guestPages === "2M" || hostPages === "2M";
  if (scheme === "flattened" && has2M) throw geometryError("flattened tables have pages of 4K and 1G, not 2M");
}

/** The format of the guest's tables; the host's are alike where they are of this kind at all. */
function shapeOf({ scheme, guestLevels = 4 }: SchemeOptions): RadixShape {
  return scheme === "flattened" ? { levels: 2, indexBits: 18 } : { levels: guestLevels, indexBits: 9 };
}

function radixTables(options: SchemeOptions): (port: TablePort) => TablesSource {
  return (port) => new RadixTablesSource(port, shapeOf(options), PAGE_SHIFTS[options.guestPages ?? "4K"]);
}

function createHashedMachine(options: SchemeOptions, host: HostMemory, structures: WalkStructures): SchemeMachine {
  const { memory } = host;
  const { guestPages = "4K", probes = "all" } = options;
  let source: HashedTablesSource | undefined;
  const nobody = createHashedTables({ memory, allocate: () => 0 });
  const translator = createHashedTranslator({
    memory,
    guest: { tables: nobody, registers: REGISTERS, probes },
    tablesAt: (root) => source?.tablesAt(root) ?? nobody,
    host: {
      kind: "hashed",
      tables: host.tables as HashedTables,
      registers: { nxe: true, maxPhyAddr: MAX_PHYS },
      probes,
    },
    structures,
  });
  return {
    ...host.machine(translator, undefined, () => 0, false),
    tablesOf: (port) => {
      source = new HashedTablesSource(port, PAGE_SHIFTS[guestPages]);
      return source;
    },
  };
}

function createNativeMachine(options: SchemeOptions, structures: WalkStructures): SchemeMachine {
  const memory = new FlatMemory();
  return {
    translator: createNativeTranslator({ memory, guest: guestPaging(options), structures }),
    port: {
      load32: (gpa) => memory.load32(gpa),
      storeEntry: (gpa, low, high) => {
        memory.store32(gpa, low);
        memory.store32(gpa + 4, high);
      },
    },
    tablesOf: radixTables(options),
    back: () => false,
    hostPages: () => 0,
    tracingFaults: () => 0,
    interceptsPaging: false,
    interceptedFaults: () => 0,
    pass: () => {},
  };
}

/** Host memory with the tables that place the guest in it, page by page as they are asked for. */
class HostMemory {
  readonly memory = new FlatMemory();
  readonly #options: SchemeOptions;
  readonly #pageShift: 12 | 21 | 30;
  readonly tables: Tables | HashedTables;
  readonly #backed = new Set<number>();

  constructor(options: SchemeOptions) {
    this.#options = options;
    this.#pageShift = PAGE_SHIFTS[options.hostPages ?? "4K"];
    this.tables = this.#createTables(options);
  }

  #createTables({ scheme, hostLevels = 4 }: SchemeOptions): Tables | HashedTables {
    const { memory } = this;
    if (scheme === "hashed") {
      let next = FIRST_TABLE;
      const allocate = (bytes: number): number => {
        next += bytes;
        return next - bytes;
      };
      return createHashedTables({ memory, allocate });
    }
    const isEpt = scheme === "ept" || scheme === "agile";
    const ordinary = hostLevels === 4 ? "long4" : "long5";
    const format: TableFormat =
      scheme === "flattened" ? "flattened" : isEpt ? (hostLevels === 4 ? "ept4" : "ept5") : ordinary;
    const frames = new FrameAllocator(FIRST_TABLE, scheme === "flattened" ? FIRST_TABLE : 0x1000);
    return createTables({ format, memory, allocateFrame: () => frames.take() });
  }

  ept(): { readonly kind: "ept"; readonly eptp: number; readonly maxPhyAddr: number } {
    const { hostLevels = 4, accessedDirty = true } = this.#options;
    const eptp = this.#root + (hostLevels === 4 ? 0x1e : 0x26) + (accessedDirty ? 0x40 : 0);
    return { kind: "ept", eptp, maxPhyAddr: MAX_PHYS };
  }

  get #root(): number {
    return (this.tables as Tables).root;
  }

  ordinary(): {
    readonly mode: "long4" | "long5" | "flattened";
    readonly registers: { cr3: number; nxe: true; maxPhyAddr: number };
  } {
    const { scheme, hostLevels = 4 } = this.#options;
    const registers = { cr3: this.#root, nxe: true, maxPhyAddr: MAX_PHYS } as const;
    return { mode: scheme === "flattened" ? scheme : hostLevels === 4 ? "long4" : "long5", registers };
  }

  machine(
    translator: Translator,
    store: ((gpa: number, low: number, high: number) => unknown) | undefined,
    tracingFaults: () => number,
    interceptsPaging: boolean,
  ): SchemeMachine {
    const { memory } = this;
    const backed = this.#backed;
    return {
      translator,
      port: {
        load32: (gpa) => memory.load32(gpa + GUEST_HPA),
        storeEntry: (gpa, low, high) => {
          // The kernel's own store may be the first touch of a table's frame.
          this.back(gpa);
          if (store !== undefined) store(gpa, low, high);
          else {
            memory.store32(gpa + GUEST_HPA, low);
            memory.store32(gpa + GUEST_HPA + 4, high);
          }
        },
      },
      tablesOf: radixTables(this.#options),
      back: (gpa) => this.back(gpa),
      hostPages: () => backed.size,
      tracingFaults,
      interceptsPaging,
      interceptedFaults: () => 0,
      pass: () => {},
    };
  }

  back(gpa: number): boolean {
    const bytes = 2 ** this.#pageShift;
    const page = Math.floor(gpa / bytes);
    if (this.#backed.has(page)) return false;
    this.#backed.add(page);
    this.tables.map(page * bytes, page * bytes + GUEST_HPA, { pageShift: this.#pageShift });
    return true;
  }
}

import { type AgileOptions, createAgileTranslator } from "../lab/agile.ts";
import { createTables, type TableFormat, type Tables } from "../lab/build-tables.ts";
import type { PageSize } from "../lab/demonstration.ts";
import { createNativeTranslator } from "../lab/native.ts";
import { createNestedTranslator } from "../lab/nested.ts";
import { createShadowTranslator, type ShadowSync } from "../lab/shadow.ts";
import type { GuestPaging, Translator } from "../lab/translator.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { TablePort } from "./address-space.ts";
import { FlatMemory, REGION_BYTES } from "./flat-memory.ts";
import { FrameAllocator } from "./frame-allocator.ts";

/** Schemes that can be simulated. */
export type SimulatedScheme = "native" | "naive" | "ept" | "npt" | "shadow" | "agile";

export const SIMULATED_SCHEMES: readonly SimulatedScheme[] = ["native", "naive", "ept", "npt", "shadow", "agile"];

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
}

/** Software's side of a scheme: where the guest's stores go, and what makes a host page appear. */
export interface SchemeMachine {
  readonly translator: Translator;
  readonly port: TablePort;
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
/** A second of time, as in the paper on agile paging, would be longer than most simulations. */
const DEFAULT_INTERVAL = 16_384;
export const PAGE_SHIFTS = { "4K": 12, "2M": 21, "1G": 30 } as const satisfies Record<PageSize, number>;

/** Makes memory, the host's tables and a translator for a guest that has no tables yet. */
export function createSchemeMachine(options: SchemeOptions, structures: WalkStructures): SchemeMachine {
  if (options.scheme === "native") return createNativeMachine(options, structures);
  const host = new HostMemory(options);
  const { memory } = host;
  const guest = guestPaging(options);
  const frames = new FrameAllocator(SHADOW_TABLES, 0x1000);
  const allocateFrame = (): number => frames.take();
  const { scheme } = options;
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
      : scheme === "npt"
        ? ({ kind: "npt", ...host.ordinary() } as const)
        : ({ kind: "process", ...host.ordinary(), hvaBase: 0 } as const);
  const nested = createNestedTranslator({ memory, guest, host: paging, structures });
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

function guestPaging({ guestLevels = 4 }: SchemeOptions): GuestPaging & { readonly mode: "long4" | "long5" } {
  const registers = { wp: true, nxe: true, pge: true, maxPhyAddr: MAX_PHYS };
  return { mode: guestLevels === 4 ? "long4" : "long5", registers };
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
  readonly #tables: Tables;
  readonly #backed = new Set<number>();

  constructor(options: SchemeOptions) {
    const { scheme, hostPages = "4K", hostLevels = 4 } = options;
    const isEpt = scheme === "ept" || scheme === "agile";
    const format: TableFormat = isEpt ? (hostLevels === 4 ? "ept4" : "ept5") : hostLevels === 4 ? "long4" : "long5";
    const frames = new FrameAllocator(0x1000, 0x1000);
    this.#options = options;
    this.#pageShift = PAGE_SHIFTS[hostPages];
    this.#tables = createTables({ format, memory: this.memory, allocateFrame: () => frames.take() });
  }

  ept(): { readonly kind: "ept"; readonly eptp: number; readonly maxPhyAddr: number } {
    const { hostLevels = 4, accessedDirty = true } = this.#options;
    const eptp = this.#tables.root + (hostLevels === 4 ? 0x1e : 0x26) + (accessedDirty ? 0x40 : 0);
    return { kind: "ept", eptp, maxPhyAddr: MAX_PHYS };
  }

  ordinary(): { readonly mode: "long4" | "long5"; readonly registers: { cr3: number; nxe: true; maxPhyAddr: number } } {
    const { hostLevels = 4 } = this.#options;
    const registers = { cr3: this.#tables.root, nxe: true, maxPhyAddr: MAX_PHYS } as const;
    return { mode: hostLevels === 4 ? "long4" : "long5", registers };
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
    this.#tables.map(page * bytes, page * bytes + GUEST_HPA, { pageShift: this.#pageShift });
    return true;
  }
}

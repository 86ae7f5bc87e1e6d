import { EPT_A, EPT_D, EPT_PS, EPT_R, EPT_W, EPT_WB, EPT_X } from "../ept.ts";
import { PTE_A, PTE_D, PTE_G, PTE_HIGH_XD, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import type { TableMemory } from "./lab-memory.ts";

/**
 * Entry formats that tables can be built in; `ept4` and `ept5` map guest physical addresses; `flattened` has the levels of
 * `long4` merged two by two, and takes frames of 2 MByte.
 */
export type TableFormat = "legacy32" | "pae" | "long4" | "long5" | "ept4" | "ept5" | "flattened";

/** What {@link createTables} needs. */
export interface TablesOptions {
  readonly format: TableFormat;
  /** Where the tables go, at the addresses that their entries use. */
  readonly memory: TableMemory;
  /** Gives the physical address of a frame of zeros that nobody else uses; `flattened`: of 2 MByte, aligned to that. */
  readonly allocateFrame: () => number;
}

/** What a mapping allows and how it is marked; everything but `global` is true unless said otherwise. */
export interface MapOptions {
  /** log2 of the page's bytes, as far as the format has such pages: 12, 21, 22 (legacy32) or 30; default 12. */
  readonly pageShift?: 12 | 21 | 22 | 30;
  readonly readable?: boolean;
  readonly writable?: boolean;
  readonly executable?: boolean;
  readonly user?: boolean;
  readonly global?: boolean;
  /** Flags as in tables that have long been in use; false: as fresh ones. */
  readonly accessed?: boolean;
  readonly dirty?: boolean;
}

/** Page tables under construction. */
export interface Tables {
  /** Physical address of the top table: for CR3, nCR3 or EPTP. */
  readonly root: number;
  /**
   * Maps one page, building the tables it needs; upper entries grant everything. A page that was mapped in the same
   * size is replaced.
   * @param virtual the address mapped; bits below `pageShift` must be 0.
   * @param physical where to; likewise, and below 2^52 (2^32 in `legacy32`).
   * @throws RangeError (code `MMU_TABLES`) for addresses or sizes that the format does not have, and where a larger page
   * is in the way.
   */
  map(virtual: bigint | number, physical: number, options?: MapOptions): void;
  /**
   * Physical address of the entry of `level` (1: PTE) on the way to `virtual`, whether present or not; undefined if the
   * tables end above it.
   */
  entryAddress(virtual: bigint | number, level: number): number | undefined;
}

interface Format {
  /** Lowest address bit that each level's index has, level 1 first. */
  readonly shifts: readonly number[];
  readonly pageShifts: readonly number[];
  readonly addressBits: number;
  readonly entryBytes: 4 | 8;
  readonly isEpt: boolean;
}

const WIDE = { entryBytes: 8, isEpt: false } as const;
const FORMATS: Readonly<Record<TableFormat, Format>> = {
  legacy32: { shifts: [12, 22], pageShifts: [12, 22], addressBits: 32, entryBytes: 4, isEpt: false },
  pae: { ...WIDE, shifts: [12, 21, 30], pageShifts: [12, 21], addressBits: 32 },
  long4: { ...WIDE, shifts: [12, 21, 30, 39], pageShifts: [12, 21, 30], addressBits: 48 },
  long5: { ...WIDE, shifts: [12, 21, 30, 39, 48], pageShifts: [12, 21, 30], addressBits: 57 },
  flattened: { ...WIDE, shifts: [12, 30], pageShifts: [12, 30], addressBits: 48 },
  ept4: { entryBytes: 8, isEpt: true, shifts: [12, 21, 30, 39], pageShifts: [12, 21, 30], addressBits: 48 },
  ept5: { entryBytes: 8, isEpt: true, shifts: [12, 21, 30, 39, 48], pageShifts: [12, 21, 30], addressBits: 57 },
};

/** Begins page tables with an empty top table. */
export function createTables(options: TablesOptions): Tables {
  return new TableBuilder(options);
}

class TableBuilder implements Tables {
  readonly root: number;
  readonly #name: TableFormat;
  readonly #format: Format;
  readonly #memory: TableMemory;
  readonly #allocateFrame: () => number;

  constructor({ format, memory, allocateFrame }: TablesOptions) {
    this.#name = format;
    this.#format = FORMATS[format];
    this.#memory = memory;
    this.#allocateFrame = allocateFrame;
    this.root = allocateFrame();
  }

  map(virtual: bigint | number, physical: number, options: MapOptions = {}): void {
    const { pageShift = 12 } = options;
    const address = BigInt.asUintN(this.#format.addressBits, BigInt(virtual));
    this.#check(address, physical, pageShift);
    const leafLevel = this.#format.shifts.indexOf(pageShift) + 1;
    let table = this.root;
    for (let level = this.#format.shifts.length; level > leafLevel; level--) {
      table = this.#descend(this.#slot(table, address, level), level);
    }
    const slot = this.#slot(table, address, leafLevel);
    // A table that hangs here is still in use by the smaller pages under it.
    const present = this.#memory.load32(slot);
    if (leafLevel > 1 && present !== 0 && (present & PTE_PS) === 0) {
      throw tablesError(`smaller pages are mapped at ${hex(address)}`);
    }
    this.#store(slot, physical, this.#leafFlags(leafLevel, options), this.#leafHighFlags(options));
  }

  entryAddress(virtual: bigint | number, level: number): number | undefined {
    const address = BigInt.asUintN(this.#format.addressBits, BigInt(virtual));
    let table = this.root;
    for (let above = this.#format.shifts.length; above > level; above--) {
      const slot = this.#slot(table, address, above);
      if (this.#memory.load32(slot) === 0 || this.#mapsPage(slot, above)) return undefined;
      table = this.#target(slot);
    }
    return level >= 1 && level <= this.#format.shifts.length ? this.#slot(table, address, level) : undefined;
  }

  #slot(table: number, address: bigint, level: number): number {
    const { shifts, entryBytes, addressBits } = this.#format;
    const shift = shifts[level - 1] as number;
    const indexBits = (shifts[level] ?? addressBits) - shift;
    return table + Number(BigInt.asUintN(indexBits, address >> BigInt(shift))) * entryBytes;
  }

  /** The table under an entry, made if there is none. */
  #descend(slot: number, level: number): number {
    if (this.#memory.load32(slot) === 0) this.#store(slot, this.#allocateFrame(), this.#tableFlags(level), 0);
    else if (this.#mapsPage(slot, level)) throw tablesError("a larger page is in the way");
    return this.#target(slot);
  }

  #mapsPage(slot: number, level: number): boolean {
    const hasPages = this.#format.pageShifts.includes(this.#format.shifts[level - 1] as number);
    return level > 1 && hasPages && (this.#memory.load32(slot) & PTE_PS) !== 0;
  }

  #target(slot: number): number {
    const low = (this.#memory.load32(slot) & ~0xfff) >>> 0;
    return this.#format.entryBytes === 4 ? low : (this.#memory.load32(slot + 4) & 0xf_ffff) * 2 ** 32 + low;
  }

  #tableFlags(level: number): number {
    if (this.#format.isEpt) return EPT_R | EPT_W | EPT_X | EPT_A;
    // The rights of a PDPTE in PAE paging are reserved bits.
    return this.#name === "pae" && level === 3 ? PTE_P : PTE_P | PTE_RW | PTE_US | PTE_A;
  }

  #leafFlags(level: number, options: MapOptions): number {
    const { readable = true, writable = true, executable = true, user = true, accessed = true, dirty = true } = options;
    if (this.#format.isEpt) {
      const rights = (readable ? EPT_R : 0) | (writable ? EPT_W : 0) | (executable ? EPT_X : 0);
      return rights | EPT_WB | (level > 1 ? EPT_PS : 0) | (accessed ? EPT_A : 0) | (dirty ? EPT_D : 0);
    }
    const rights = (readable ? PTE_P : 0) | (writable ? PTE_RW : 0) | (user ? PTE_US : 0);
    const marks = (accessed ? PTE_A : 0) | (dirty ? PTE_D : 0) | (options.global === true ? PTE_G : 0);
    return rights | marks | (level > 1 ? PTE_PS : 0);
  }

  #leafHighFlags({ executable = true }: MapOptions): number {
    return executable || this.#format.isEpt || this.#format.entryBytes === 4 ? 0 : PTE_HIGH_XD;
  }

  #store(slot: number, physical: number, lowFlags: number, highFlags: number): void {
    this.#memory.store32(slot, (physical % 2 ** 32) | lowFlags);
    if (this.#format.entryBytes === 8) this.#memory.store32(slot + 4, Math.floor(physical / 2 ** 32) | highFlags);
  }

  #check(address: bigint, physical: number, pageShift: number): void {
    const { pageShifts, entryBytes } = this.#format;
    if (!pageShifts.includes(pageShift)) throw tablesError(`${this.#name} has no pages of 2^${pageShift} bytes`);
    const isAligned = address % (1n << BigInt(pageShift)) === 0n && physical % 2 ** pageShift === 0;
    if (!isAligned) throw tablesError(`${hex(address)} or ${hex(physical)} is not aligned to 2^${pageShift} bytes`);
    const limit = entryBytes === 4 ? 2 ** 32 : 2 ** 52;
    if (!(physical >= 0 && physical < limit)) throw tablesError(`${hex(physical)} is no physical address`);
  }
}

function hex(address: bigint | number): string {
  return `0x${address.toString(16)}`;
}

function tablesError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_TABLES" });
}

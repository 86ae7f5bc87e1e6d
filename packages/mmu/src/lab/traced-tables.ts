import { ACCESS_KINDS, type AccessBits } from "../access.ts";
import type { Tag } from "../structures/tags.ts";
import type { WalkCache } from "../structures/walk-cache.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { type HOST_ENTRY, type NATIVE_ENTRY, PLACE_WALK_CACHE, type SHADOW_ENTRY, type WalkLog } from "./walk-log.ts";

/** An entry that the walk under way has used. */
export interface UsedEntry {
  readonly level: number;
  /** As the walker asked for it. */
  readonly address: number;
  readonly hpa: number;
  /** Low half as it was read. */
  readonly low: number;
}

/** Levels of the tables of one mode, and their entries' bytes. */
export interface TableShape {
  readonly levels: number;
  readonly entryBytes: 4 | 8;
  /** Address bits that a level resolves, where tables are no page: 18. */
  readonly indexBits?: 18;
}

/** Per paging mode; the PDPTEs of PAE paging are registers, so its walks read two levels. */
export const TABLE_SHAPES = {
  bare: { levels: 0, entryBytes: 4 },
  legacy32: { levels: 2, entryBytes: 4 },
  pae: { levels: 2, entryBytes: 8 },
  long4: { levels: 4, entryBytes: 8 },
  long5: { levels: 5, entryBytes: 8 },
  flattened: { levels: 2, entryBytes: 8, indexBits: 18 },
} as const satisfies Record<string, TableShape>;

const MOST_LEVELS = 5;

/**
 * The memory a `Walker` or `EptWalker` is given in the laboratory: it tells which entries a walk reads, and may send
 * each of them through another dimension.
 *
 * Invariants:
 * 1. Walkers read entries top level first and the low half first: a low half begins a new reference, one level down.
 *    Addresses cannot tell, because self-referring tables read the same entry at two levels.
 * 2. Once a lookup has failed (`stopped`), loads give 0, an entry that is not present, and stores vanish: the walker
 *    ends by itself, and its answer does not count.
 */
export abstract class TracedTables implements PteMemory {
  stopped = false;
  /** Host address of the entry that {@link locate} has found. */
  protected entryHpa = 0;
  protected readonly memory: PteMemory;
  protected readonly log: WalkLog;
  /** Address bits that a level resolves: 9, 10 where entries have four bytes, 18 where two levels are one. */
  readonly indexBits: number;
  readonly #isWide: boolean;
  readonly #shape: TableShape;
  /** Entries read since {@link begin}, top level first. */
  usedCount = 0;
  readonly #levels = new Uint8Array(MOST_LEVELS);
  readonly #addresses = new Float64Array(MOST_LEVELS);
  readonly #hpas = new Float64Array(MOST_LEVELS);
  readonly #lows = new Int32Array(MOST_LEVELS);
  readonly #highs = new Int32Array(MOST_LEVELS);
  /** Of the entry read last; the next is one {@link levelStep} lower. */
  protected level = 0;
  protected levelStep = 1;

  constructor(memory: PteMemory, shape: TableShape, log: WalkLog) {
    this.memory = memory;
    this.log = log;
    this.#shape = shape;
    this.#isWide = shape.entryBytes === 8;
    this.indexBits = shape.indexBits ?? (this.#isWide ? 9 : 10);
  }

  /** Entries read since {@link begin}, top level first; made anew at every call. */
  get used(): readonly UsedEntry[] {
    return Array.from({ length: this.usedCount }, (_, i) => ({
      level: this.#levels[i] as number,
      address: this.#addresses[i] as number,
      hpa: this.#hpas[i] as number,
      low: this.#lows[i] as number,
    }));
  }

  /** A walk begins at the top. */
  begin(): void {
    this.beginBelow(this.#shape.levels + 1);
  }

  /** A walk begins with the entry under one of `level`. */
  beginBelow(level: number): void {
    this.stopped = false;
    this.usedCount = 0;
    this.level = level;
    this.levelStep = 1;
  }

  /** The PDPTEs are about to be loaded: four entries of level 3, one after another. */
  beginPdptes(): void {
    this.beginBelow(3);
    this.levelStep = 0;
  }

  load32(address: number): number {
    if (this.stopped) return 0;
    if (this.#isWide && (address & 4) !== 0) {
      const high = this.memory.load32(this.entryHpa + 4);
      this.#highs[this.usedCount - 1] = high;
      return high;
    }
    this.level -= this.levelStep;
    if (!this.locate(address, this.level)) {
      this.stopped = true;
      return 0;
    }
    const low = this.memory.load32(this.entryHpa);
    const at = this.usedCount++;
    this.#levels[at] = this.level;
    this.#addresses[at] = address;
    this.#hpas[at] = this.entryHpa;
    this.#lows[at] = low;
    this.#highs[at] = 0;
    return low;
  }

  or32(address: number, bits: number): void {
    if (this.stopped) return;
    // Walkers store only what is missing, lower levels first; where two levels share an entry, the lower one takes it.
    let at = this.usedCount - 1;
    while (at >= 0 && (this.#addresses[at] !== address || ((this.#lows[at] as number) & bits) === bits)) at--;
    if (at < 0) return;
    const hpa = this.#hpas[at] as number;
    if (this.prepareUpdate(address, hpa, this.#levels[at] as number)) this.memory.or32(hpa, bits);
    else this.stopped = true;
  }

  /**
   * Enters into `cache` the entries just read that refer to tables; what it found before the walk still stands in it.
   */
  fillCache(cache: WalkCache, addressLow: number, addressHigh: number, tag: Tag): void {
    for (let at = 0; at < this.usedCount - 1; at++) {
      cache.low = this.cachedLow(at, this.#lows[at] as number);
      cache.high = this.#highs[at] as number;
      cache.allLow &= cache.low;
      cache.anyHigh |= cache.high;
      cache.fill(this.#levels[at] as number, addressLow, addressHigh, tag, this.indexBits);
    }
  }

  /** The walk begins below an entry of `level` that `cache` has found. */
  beginFromCache(cache: WalkCache, dimension: number, level: number, guestLevel: number, address: number): void {
    this.beginBelow(level);
    const table = (cache.high & 0xf_ffff) * 2 ** 32 + ((cache.low & ~0xfff) >>> 0);
    this.log.addHit(PLACE_WALK_CACHE, dimension, level, guestLevel, address, table);
  }

  /** What a walk cache is to hold as the low half of the entry read as number `at`: bits 11:9 are free. */
  protected cachedLow(_at: number, low: number): number {
    return low;
  }

  /** Finds the entry at `address`, sets `entryHpa` and logs the reference. @returns false: another dimension faulted. */
  protected abstract locate(address: number, level: number): boolean;

  /** An accessed or dirty flag is about to be set. @returns false: another dimension refuses. */
  protected prepareUpdate(_address: number, _hpa: number, _level: number): boolean {
    return true;
  }
}

/** Tables whose addresses are host physical: nothing has to be looked for, and no lookup fails. */
export class DirectTables extends TracedTables {
  readonly #dimension: number;
  /** `WalkReference.guestLevel` of the references to come. */
  guestLevel = 0;
  /** Whether {@link fillCache} will be asked. */
  readonly keeps: boolean;

  constructor(
    memory: PteMemory,
    shape: TableShape,
    dimension: typeof NATIVE_ENTRY | typeof HOST_ENTRY | typeof SHADOW_ENTRY,
    log: WalkLog,
    keeps: boolean,
  ) {
    super(memory, shape, log);
    this.#dimension = dimension;
    this.keeps = keeps;
  }

  /** What is read need be kept only for a walk cache to be filled from. */
  override load32(address: number): number {
    if (this.keeps) return super.load32(address);
    if ((address & 4) === 0 || this.indexBits === 10) {
      this.level -= this.levelStep;
      this.log.add(this.#dimension, this.level, this.guestLevel, address, address);
    }
    return this.memory.load32(address);
  }

  override or32(address: number, bits: number): void {
    this.memory.or32(address, bits);
  }

  protected override locate(address: number, level: number): boolean {
    this.entryHpa = address;
    this.log.add(this.#dimension, level, this.guestLevel, address, address);
    return true;
  }
}

/** Walks `tables` by `walker` from as far down as `cache` leads, and enters what the walk has used. */
export function walkCached(
  walker: Walker,
  tables: TracedTables,
  cache: WalkCache | undefined,
  tag: Tag,
  dimension: number,
  guestLevel: number,
  low: number,
  high: number,
  access: AccessBits,
): boolean {
  tables.begin();
  if (cache === undefined) return walker.walk(low, high, access);
  const level = cache.find(low, high, tag, tables.indexBits);
  let isMapped: boolean;
  if (level === 0) {
    cache.allLow = -1;
    cache.anyHigh = 0;
    isMapped = walker.walk(low, high, access);
  } else {
    tables.beginFromCache(cache, dimension, level, guestLevel, (high >>> 0) * 2 ** 32 + (low >>> 0));
    isMapped = walker.walkBelow(level, cache.low, cache.high, cache.allLow, cache.anyHigh, low, high, access);
  }
  // Only what has its accessed flag set may be cached: walks that fail, or only inspect, set none.
  if (isMapped && !tables.stopped && (access & ACCESS_KINDS) !== 0) tables.fillCache(cache, low, high, tag);
  return isMapped;
}

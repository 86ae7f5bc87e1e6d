import { type ArrayGeometry, checkGeometry, geometryError } from "./geometry.ts";
import { SetAssociative } from "./set-associative.ts";
import type { Tag, TagScope } from "./tags.ts";

/** Room for the entries of each level that may refer to a table; level 1 entries never do. */
export interface WalkCacheGeometry {
  /** PDEs: a hit leaves one reference. */
  readonly level2?: ArrayGeometry;
  /** PDPTEs. */
  readonly level3?: ArrayGeometry;
  /** PML4Es. */
  readonly level4?: ArrayGeometry;
  /** PML5Es. */
  readonly level5?: ArrayGeometry;
}

/** Words of an entry: what {@link WalkCache} has in fields. */
const LOW = 0;
const HIGH = 1;
const ALL_LOW = 2;
const ANY_HIGH = 3;

const LEVELS = ["level2", "level3", "level4", "level5"] as const;

/**
 * The paging-structure caches of one dimension, one per level: what an entry says, and what all above it say together, so
 * that a walk can go on below it. SDM vol. 3A, "Caches for Paging Structures".
 */
export class WalkCache {
  /** After {@link find}: the entry's halves, the AND of the low halves and the OR of the high halves down to it. */
  low = 0;
  high = 0;
  allLow = 0;
  anyHigh = 0;
  readonly #arrays: readonly (SetAssociative | undefined)[];

  /** @param what names the structure in errors. @throws RangeError (code `MMU_GEOMETRY`) */
  constructor(what: string, geometry: WalkCacheGeometry) {
    this.#arrays = LEVELS.map((level) => {
      const given = geometry[level];
      return given === undefined ? undefined : new SetAssociative(checkGeometry(`${what}, ${level}`, given));
    });
    if (this.#arrays.every((array) => array === undefined)) throw geometryError(`${what}: no level has entries`);
  }

  /**
   * Looks for the lowest entry on the way to an address.
   * @param indexBits address bits a level resolves: 9, or 10 in 32-bit paging.
   * @returns its level, 2 to 5, or 0.
   */
  find(addressLow: number, addressHigh: number, tag: Tag, indexBits: number): number {
    for (let level = 2; level <= 5; level++) {
      const array = this.#arrays[level - 2];
      if (array === undefined || array.used === 0) continue;
      const shift = 12 + indexBits * (level - 1);
      const slot = array.find(keyLow(addressLow, addressHigh, shift), keyHigh(addressHigh, shift), tag);
      if (slot < 0) continue;
      this.low = array.wordOf(slot, LOW);
      this.high = array.wordOf(slot, HIGH);
      this.allLow = array.wordOf(slot, ALL_LOW);
      this.anyHigh = array.wordOf(slot, ANY_HIGH);
      return level;
    }
    return 0;
  }

  /** Enters what is in {@link low}, {@link high}, {@link allLow} and {@link anyHigh} as an entry of `level`. */
  fill(level: number, addressLow: number, addressHigh: number, tag: Tag, indexBits: number): void {
    const array = this.#arrays[level - 2];
    if (array === undefined) return;
    const shift = 12 + indexBits * (level - 1);
    const slot = array.insert(keyLow(addressLow, addressHigh, shift), keyHigh(addressHigh, shift), tag, -1);
    array.setWord(slot, LOW, this.low);
    array.setWord(slot, HIGH, this.high);
    array.setWord(slot, ALL_LOW, this.allLow);
    array.setWord(slot, ANY_HIGH, this.anyHigh);
  }

  /** Drops the entries of all levels on the way to an address. */
  dropWay(addressLow: number, addressHigh: number, scope: TagScope, indexBits: number): void {
    for (let level = 2; level <= 5; level++) {
      const shift = 12 + indexBits * (level - 1);
      this.#arrays[level - 2]?.dropKey(keyLow(addressLow, addressHigh, shift), keyHigh(addressHigh, shift), scope);
    }
  }

  dropAll(scope: TagScope): void {
    for (const array of this.#arrays) array?.dropAll(scope);
  }
}

/** Bits 31:0 of an address shifted right by 12 to 63. */
function keyLow(low: number, high: number, shift: number): number {
  return shift < 32 ? (low >>> shift) | (high << (32 - shift)) : high >>> (shift - 32);
}

function keyHigh(high: number, shift: number): number {
  return shift < 32 ? high >>> shift : 0;
}

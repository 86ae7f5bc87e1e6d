import { PTE_A, PTE_D, PTE_G, PTE_HIGH_XD, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import { geometryError } from "../structures/geometry.ts";
import type { MapOptions } from "./build-tables.ts";
import type { TableMemory } from "./lab-memory.ts";

/** What {@link createHashedTables} needs. */
export interface HashedTablesOptions {
  /** Where the tables go, at the addresses that walks use. */
  readonly memory: TableMemory;
  /** Gives so many bytes of zeros in one piece, aligned to 4096; they are never given back. */
  readonly allocate: (bytes: number) => number;
  /** Tables, each with a hash function of its own, 2 to 4; default 3. */
  readonly ways?: number;
  /** Buckets of a way to begin with, a power of two from 64 on; default 256. */
  readonly buckets?: number;
}

/** Page tables in hash tables, one set of ways for each page size in use. */
export interface HashedTables {
  /** What a processor has in registers: where the ways of each size are. Changes as tables grow. */
  readonly roots: readonly HashedRoot[];
  /** As `Tables.map`; pages of 4 KByte, 2 MByte and 1 GByte. @throws RangeError (code `MMU_TABLES`) */
  map(virtual: bigint | number, physical: number, options?: MapOptions): void;
  /** Address of the bucket that has a page of the size, or -1. */
  find(virtual: bigint | number, pageShift: 12 | 21 | 30): number;
  /** Removes a page. @returns whether there was one. */
  unmap(virtual: bigint | number, pageShift?: 12 | 21 | 30): boolean;
  /** Buckets moved: by insertions that found both places taken, and by growing. */
  readonly moves: number;
}

/** The ways of one page size. */
export interface HashedRoot {
  readonly pageShift: 12 | 21 | 30;
  readonly ways: readonly HashedWay[];
}

/**
 * One way. While it grows, buckets below `moved` of the old table have gone to the new one, so that a lookup still has a
 * single place to look at: the point of elastic cuckoo hashing.
 */
export interface HashedWay {
  base: number;
  buckets: number;
  /** 0: it is not growing. */
  newBase: number;
  moved: number;
}

/** A bucket: an entry as in 4-level paging, then its page number, with bit 63 set. */
export const BUCKET_BYTES = 16;
/** Half of the word that makes a bucket's tag differ from zeros. */
export const TAG_VALID = -0x8000_0000;
const MOST_DISPLACEMENTS = 500;
/** Load at which the ways begin to grow: two ways find places for no more than half of their buckets. */
const FULL = { 2: 0.4, 3: 0.6, 4: 0.6 } as const;
/** Buckets of each way moved at an insertion while they grow. */
const MOVES_PER_INSERTION = 4;

/**
 * Begins elastic cuckoo page tables: D. Skarlatos et al., "Elastic Cuckoo Page Tables: Rethinking Virtual Memory
 * Translation for Parallelism", ASPLOS 2020. Entries stand alone, not in clusters of eight with one tag as theirs do.
 * @throws RangeError (code `MMU_GEOMETRY`)
 */
export function createHashedTables(options: HashedTablesOptions): HashedTables {
  const { ways = 3, buckets = 256 } = options;
  if (ways !== 2 && ways !== 3 && ways !== 4) throw geometryError(`ways must be 2 to 4, not ${ways}`);
  if (buckets < 64 || !Number.isInteger(Math.log2(buckets))) {
    throw geometryError(`buckets must be a power of two from 64 on, not ${buckets}`);
  }
  return new CuckooTables(options, ways, buckets);
}

/** Bucket of a page number in a way of `buckets`: every way mixes with a factor of its own. */
export function hashOf(vpnLow: number, vpnHigh: number, way: number, buckets: number): number {
  let hash = Math.imul(vpnLow ^ Math.imul(vpnHigh, 0x27d4_eb2f), FACTORS[way] as number);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b_3c6d);
  return ((hash ^ (hash >>> 13)) & (buckets - 1)) >>> 0;
}

const FACTORS = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x1656_67b1];

/** Address of the bucket where a way has, or would have, a page. */
export function bucketOf(way: HashedWay, n: number, vpnLow: number, vpnHigh: number): number {
  const index = hashOf(vpnLow, vpnHigh, n, way.buckets);
  if (way.newBase === 0 || index >= way.moved) return way.base + index * BUCKET_BYTES;
  return way.newBase + hashOf(vpnLow, vpnHigh, n, way.buckets * 2) * BUCKET_BYTES;
}

interface Bucket {
  readonly low: number;
  readonly high: number;
  readonly vpnLow: number;
  readonly vpnHigh: number;
}

class CuckooTables implements HashedTables {
  readonly roots: HashedRoot[] = [];
  moves = 0;
  readonly #memory: TableMemory;
  readonly #allocate: (bytes: number) => number;
  readonly #ways: 2 | 3 | 4;
  readonly #buckets: number;
  readonly #used = new Map<HashedRoot, number>();
  #turn = 0;

  constructor({ memory, allocate }: HashedTablesOptions, ways: 2 | 3 | 4, buckets: number) {
    this.#memory = memory;
    this.#allocate = allocate;
    this.#ways = ways;
    this.#buckets = buckets;
  }

  map(virtual: bigint | number, physical: number, options: MapOptions = {}): void {
    const { pageShift = 12 } = options;
    if (pageShift === 22) throw tablesError("hashed tables have no pages of 4 MByte");
    const isAligned = BigInt(virtual) % (1n << BigInt(pageShift)) === 0n && physical % 2 ** pageShift === 0;
    if (!isAligned) throw tablesError(`a page of 2^${pageShift} bytes is not aligned`);
    if (!(physical >= 0 && physical < 2 ** 52)) throw tablesError(`${physical} is no physical address`);
    const root = this.#rootOf(pageShift);
    const [vpnLow, vpnHigh] = pageNumber(virtual, pageShift);
    const { low, high } = entryOf(physical, options, pageShift);
    const bucket = { low, high, vpnLow, vpnHigh };
    const present = this.#findIn(root, vpnLow, vpnHigh);
    if (present >= 0) this.#store(present, bucket);
    else this.#insert(root, bucket);
  }

  find(virtual: bigint | number, pageShift: 12 | 21 | 30): number {
    const root = this.roots.find((each) => each.pageShift === pageShift);
    return root === undefined ? -1 : this.#findIn(root, ...pageNumber(virtual, pageShift));
  }

  unmap(virtual: bigint | number, pageShift: 12 | 21 | 30 = 12): boolean {
    const at = this.find(virtual, pageShift);
    if (at < 0) return false;
    const root = this.#rootOf(pageShift);
    for (let word = 0; word < BUCKET_BYTES; word += 4) this.#memory.store32(at + word, 0);
    this.#used.set(root, (this.#used.get(root) ?? 1) - 1);
    return true;
  }

  #rootOf(pageShift: 12 | 21 | 30): HashedRoot {
    const found = this.roots.find((root) => root.pageShift === pageShift);
    if (found !== undefined) return found;
    const ways = Array.from({ length: this.#ways }, () => this.#emptyWay(this.#buckets));
    const root = { pageShift, ways };
    this.roots.push(root);
    return root;
  }

  #emptyWay(buckets: number): HashedWay {
    return { base: this.#allocate(buckets * BUCKET_BYTES), buckets, newBase: 0, moved: 0 };
  }

  #findIn(root: HashedRoot, vpnLow: number, vpnHigh: number): number {
    for (const [n, way] of root.ways.entries()) {
      const at = bucketOf(way, n, vpnLow, vpnHigh);
      if (this.#memory.load32(at + 8) === vpnLow && this.#memory.load32(at + 12) === (vpnHigh | TAG_VALID)) return at;
    }
    return -1;
  }

  #insert(root: HashedRoot, bucket: Bucket): void {
    this.#used.set(root, (this.#used.get(root) ?? 0) + 1);
    this.#grow(root);
    // Displacing others may have no end: then the tables grow at once.
    for (let homeless = this.#place(root, bucket); homeless !== undefined; homeless = this.#place(root, homeless)) {
      this.#startGrowing(root);
      this.#finishGrowing(root);
    }
  }

  /** @returns the bucket that has no place in the end. */
  #place(root: HashedRoot, bucket: Bucket): Bucket | undefined {
    let homeless = bucket;
    for (let i = 0; i < MOST_DISPLACEMENTS; i++) {
      const free = this.#freeFor(root, homeless);
      if (free >= 0) {
        this.#store(free, homeless);
        return undefined;
      }
      const n = this.#turn++ % this.#ways;
      const victim = bucketOf(root.ways[n] as HashedWay, n, homeless.vpnLow, homeless.vpnHigh);
      const displaced = this.#load(victim);
      this.#store(victim, homeless);
      this.moves++;
      homeless = { ...displaced, vpnHigh: displaced.vpnHigh & ~TAG_VALID };
    }
    return homeless;
  }

  #freeFor(root: HashedRoot, { vpnLow, vpnHigh }: Bucket): number {
    for (const [n, way] of root.ways.entries()) {
      const at = bucketOf(way, n, vpnLow, vpnHigh);
      if ((this.#memory.load32(at + 12) & TAG_VALID) === 0) return at;
    }
    return -1;
  }

  /** Moves a few buckets of a root that grows; begins to where it has become full. */
  #grow(root: HashedRoot): void {
    const capacity = root.ways.reduce((sum, { buckets, newBase }) => sum + buckets * (newBase === 0 ? 1 : 2), 0);
    if ((this.#used.get(root) ?? 0) > capacity * FULL[this.#ways]) this.#startGrowing(root);
    for (let i = 0; i < MOVES_PER_INSERTION; i++) this.#moveOne(root);
  }

  #startGrowing(root: HashedRoot): void {
    this.#finishGrowing(root);
    for (const way of root.ways) {
      way.newBase = this.#allocate(way.buckets * 2 * BUCKET_BYTES);
      way.moved = 0;
    }
  }

  #finishGrowing(root: HashedRoot): void {
    while (root.ways.some(({ newBase }) => newBase !== 0)) this.#moveOne(root);
  }

  /** Moves one bucket of every way that grows. */
  #moveOne(root: HashedRoot): void {
    for (const way of root.ways) {
      if (way.newBase === 0) continue;
      const at = way.base + way.moved * BUCKET_BYTES;
      way.moved++;
      const isLast = way.moved === way.buckets;
      const bucket = this.#load(at);
      if (isLast) Object.assign(way, { base: way.newBase, buckets: way.buckets * 2, newBase: 0, moved: 0 });
      if ((bucket.vpnHigh & TAG_VALID) === 0) continue;
      this.#memory.store32(at + 12, 0);
      this.moves++;
      const left = this.#place(root, { ...bucket, vpnHigh: bucket.vpnHigh & ~TAG_VALID });
      if (left !== undefined) throw tablesError("too many pages meet in the same buckets");
    }
  }

  #load(at: number): Bucket {
    const word = (offset: number): number => this.#memory.load32(at + offset);
    return { low: word(0), high: word(4), vpnLow: word(8), vpnHigh: word(12) };
  }

  #store(at: number, { low, high, vpnLow, vpnHigh }: Bucket): void {
    this.#memory.store32(at, low);
    this.#memory.store32(at + 4, high);
    this.#memory.store32(at + 8, vpnLow);
    this.#memory.store32(at + 12, vpnHigh | TAG_VALID);
  }
}

/** Address bits from `pageShift` up, as halves; bit 63 of the address is none of them. */
function pageNumber(virtual: bigint | number, pageShift: number): [low: number, high: number] {
  const vpn = BigInt.asUintN(64, BigInt(virtual)) >> BigInt(pageShift);
  return [Number(BigInt.asIntN(32, vpn)), Number(vpn >> 32n)];
}

function entryOf(physical: number, options: MapOptions, pageShift: number): { low: number; high: number } {
  const { readable = true, writable = true, executable = true, user = true, accessed = true, dirty = true } = options;
  const rights = (readable ? PTE_P : 0) | (writable ? PTE_RW : 0) | (user ? PTE_US : 0);
  const marks = (accessed ? PTE_A : 0) | (dirty ? PTE_D : 0) | (options.global === true ? PTE_G : 0);
  const low = (physical % 2 ** 32) | rights | marks | (pageShift > 12 ? PTE_PS : 0);
  return { low, high: Math.floor(physical / 2 ** 32) | (executable ? 0 : PTE_HIGH_XD) };
}

function tablesError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_TABLES" });
}

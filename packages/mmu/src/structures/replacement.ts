/** Which entry of a full set makes room. `plru` is the binary tree of pseudo-LRU and needs a power of two of ways. */
export type Replacement = "lru" | "plru" | "random" | "fifo";

/**
 * The bookkeeping of one policy over `sets` times `ways` entries; `slot` is set times ways plus way. Nothing allocates.
 */
export interface ReplacementState {
  /** A lookup has found the entry. */
  touch(slot: number): void;
  /** The entry was filled. */
  fill(slot: number): void;
  /** The entry of `set` that makes room. */
  victim(set: number): number;
}

/** @param ways a power of two for `plru`: checked by whoever takes geometries. */
export function createReplacement(policy: Replacement, sets: number, ways: number): ReplacementState {
  switch (policy) {
    case "lru":
      return new ByAge(sets, ways, true);
    case "fifo":
      return new ByAge(sets, ways, false);
    case "plru":
      return new TreePlru(sets, ways);
    case "random":
      return new ByChance(ways);
  }
}

/** The entry longest untouched (LRU) or longest there (FIFO). */
class ByAge implements ReplacementState {
  readonly #stamps: Float64Array;
  readonly #ways: number;
  readonly #countsHits: boolean;
  #clock = 0;

  constructor(sets: number, ways: number, countsHits: boolean) {
    this.#stamps = new Float64Array(sets * ways);
    this.#ways = ways;
    this.#countsHits = countsHits;
  }

  touch(slot: number): void {
    if (this.#countsHits) this.#stamps[slot] = ++this.#clock;
  }

  fill(slot: number): void {
    this.#stamps[slot] = ++this.#clock;
  }

  victim(set: number): number {
    const first = set * this.#ways;
    let oldest = first;
    for (let slot = first + 1; slot < first + this.#ways; slot++) {
      if ((this.#stamps[slot] as number) < (this.#stamps[oldest] as number)) oldest = slot;
    }
    return oldest;
  }
}

/** One bit per inner node of a binary tree over the ways; each points away from the half touched last. */
class TreePlru implements ReplacementState {
  readonly #nodes: Uint8Array;
  readonly #ways: number;

  constructor(sets: number, ways: number) {
    this.#nodes = new Uint8Array(sets * ways);
    this.#ways = ways;
  }

  touch(slot: number): void {
    const way = slot % this.#ways;
    const base = slot - way;
    // Nodes are numbered as in a heap, 1 being the root; the leaf of a way would be ways + way.
    for (let node = (this.#ways + way) >> 1, child = this.#ways + way; node >= 1; child = node, node >>= 1) {
      this.#nodes[base + node] = (child & 1) ^ 1;
    }
  }

  fill(slot: number): void {
    this.touch(slot);
  }

  victim(set: number): number {
    const base = set * this.#ways;
    let node = 1;
    while (node < this.#ways) node = node * 2 + (this.#nodes[base + node] as number);
    return base + node - this.#ways;
  }
}

/** Any entry; the same ones in every run. */
class ByChance implements ReplacementState {
  readonly #ways: number;
  #state = 0x2545_f491;

  constructor(ways: number) {
    this.#ways = ways;
  }

  touch(): void {}

  fill(): void {}

  victim(set: number): number {
    // xorshift32, G. Marsaglia, "Xorshift RNGs", 2003.
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return set * this.#ways + ((x >>> 0) % this.#ways);
  }
}

/** What is used of an engine's Web Crypto; every engine of today has it, but not in every context. */
export interface CryptoGlobals {
  readonly crypto?: { getRandomValues(array: Uint32Array<ArrayBuffer>): unknown };
}

/** Words fetched at a time: one call of the engine costs more than the numbers. */
const BATCH = 256;

/** 32 random bits a call, fit for making keys; undefined if the engine has none to give. */
export function createHostRandom(
  globals: CryptoGlobals = globalThis as unknown as CryptoGlobals,
): (() => number) | undefined {
  const { crypto } = globals;
  if (crypto === undefined) return undefined;
  const words = new Uint32Array(BATCH);
  let used = BATCH;
  return () => {
    if (used === BATCH) {
      crypto.getRandomValues(words);
      used = 0;
    }
    return words[used++] as number;
  };
}

/**
 * The same numbers in every run, for machines on the virtual clock; not fit for making keys.
 * A Weyl sequence through the finalizer of MurmurHash3 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators").
 */
export function createSeededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let word = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2_ae35);
    return (word ^ (word >>> 16)) >>> 0;
  };
}

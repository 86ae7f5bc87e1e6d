/** A deterministic source of numbers: the same seed gives the same sequence for ever, since recorded vectors rely on it. */
export interface Random {
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
  /** Uniform in 0 .. 2^64-1. */
  u64(): bigint;
  /** Uniform in 0 .. `limit`-1; `limit` at most 2^32. */
  below(limit: number): number;
  /** True once in `n` draws on average. */
  oneIn(n: number): boolean;
  /** A uniformly chosen element of a non-empty list. */
  pick<T>(items: readonly T[]): T;
}

/** Jenkins' small fast counter generator (sfc32), seeded with one 32-bit number. */
export function createRandom(seed: number): Random {
  let a = seed | 0;
  let b = 0x9e3779b9 | 0;
  let c = 0x243f6a88 | 0;
  let counter = 1;
  const u32 = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  // The first outputs still resemble the seed.
  for (let i = 0; i < 12; i++) u32();
  const below = (limit: number): number => Math.floor((u32() / 0x1_0000_0000) * limit);
  return {
    u32,
    u64: () => (BigInt(u32()) << 32n) | BigInt(u32()),
    below,
    oneIn: (n) => below(n) === 0,
    pick<T>(items: readonly T[]): T {
      return items[below(items.length)] as T;
    },
  };
}

/** FNV-1a of the UTF-16 code units of `text`: a stable seed for a named thing. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

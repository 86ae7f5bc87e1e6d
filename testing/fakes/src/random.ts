/** Numbers from 0 to 2^32 - 1, the same ones every time (xorshift32). */
export function createRandom(seed: number): () => number {
  // Neighbouring seeds would begin alike, and zero would stay zero.
  let x = Math.imul(seed + 1, 0x9e37_79b1) | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

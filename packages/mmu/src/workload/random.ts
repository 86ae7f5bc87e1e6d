/** Numbers that are the same for the same seed: xorshift32, G. Marsaglia, "Xorshift RNGs", 2003. */
export class Random {
  #state: number;

  /** @param seed any integer. */
  constructor(seed: number) {
    // Neighbouring seeds must not begin alike, and the state must not be 0.
    this.#state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1;
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** From 0 up to, and not with, 1. */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** An integer from 0 to `n` - 1; `n` below 2^53. */
  below(n: number): number {
    if (n <= 2 ** 32) return Math.floor((this.next() / 2 ** 32) * n);
    return Math.floor(((this.next() * 2 ** 21 + (this.next() >>> 11)) / 2 ** 53) * n);
  }
}

import type { Random } from "./random.ts";

/** Where in a region the next access goes. */
export interface AccessPattern {
  /** Bytes from the region's beginning. */
  next(): number;
}

const LINE = 64;
const PAGE = 0x1000;

/** One cache line after another, and from the beginning again. */
export class Sequential implements AccessPattern {
  readonly #bytes: number;
  #at = -LINE;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  next(): number {
    this.#at += LINE;
    if (this.#at >= this.#bytes) this.#at = 0;
    return this.#at;
  }
}

/** Any line, all alike. */
export class Uniform implements AccessPattern {
  readonly #lines: number;
  readonly #random: Random;

  constructor(bytes: number, random: Random) {
    this.#lines = Math.floor(bytes / LINE);
    this.#random = random;
  }

  next(): number {
    return this.#random.below(this.#lines) * LINE;
  }
}

/**
 * A chain through all pages, each visited once before any is visited again: a permutation by a full-period linear
 * congruential step, so that none has to be stored. D. Knuth, "The Art of Computer Programming", vol. 2, 3.2.1.2.
 */
export class PointerChase implements AccessPattern {
  readonly #pages: number;
  readonly #period: number;
  #page = 0;

  constructor(bytes: number) {
    this.#pages = Math.max(1, Math.floor(bytes / PAGE));
    this.#period = 2 ** Math.ceil(Math.log2(this.#pages));
  }

  next(): number {
    do {
      // The factor is 1 modulo 4, the increment odd, the period a power of two.
      this.#page = (Math.imul(this.#page, 0x0019_660d) + 0x3c6e_f35f) >>> 0;
      this.#page %= this.#period;
    } while (this.#page >= this.#pages);
    // Within the page another line at each, or all would be in few sets of the data caches.
    return this.#page * PAGE + ((this.#page * 7) % 64) * LINE;
  }
}

/**
 * Pages by Zipf's law: the n-th most frequent as often as n^-exponent says. By J. Gray et al., "Quickly Generating
 * Billion-Record Synthetic Databases", SIGMOD 1994, which needs no table; frequent pages are strewn over the region.
 */
export class Zipf implements AccessPattern {
  readonly #pages: number;
  readonly #random: Random;
  readonly #zeta: number;
  readonly #zetaTwo: number;
  readonly #alpha: number;
  readonly #eta: number;

  /** @param exponent from 0 up to, and not with, 1. */
  constructor(bytes: number, random: Random, exponent = 0.99) {
    this.#pages = Math.max(2, Math.floor(bytes / PAGE));
    this.#random = random;
    this.#zeta = zeta(this.#pages, exponent);
    this.#zetaTwo = zeta(2, exponent);
    this.#alpha = 1 / (1 - exponent);
    this.#eta = (1 - (2 / this.#pages) ** (1 - exponent)) / (1 - this.#zetaTwo / this.#zeta);
  }

  next(): number {
    // An odd factor permutes the residues of a power of two; of other sizes two ranks may meet, which changes little.
    const page = (this.rank() * 0x9e3b) % this.#pages;
    return page * PAGE + (this.#random.next() >>> 26) * LINE;
  }

  /** 0: the most frequent. */
  rank(): number {
    const u = this.#random.fraction();
    const uz = u * this.#zeta;
    if (uz < 1) return 0;
    if (uz < this.#zetaTwo) return 1;
    return Math.min(this.#pages - 1, Math.floor(this.#pages * (this.#eta * u - this.#eta + 1) ** this.#alpha));
  }
}

/** Sum of n^-exponent; its far part as an integral. */
function zeta(n: number, exponent: number): number {
  const exact = Math.min(n, 10_000);
  let sum = 0;
  for (let i = 1; i <= exact; i++) sum += i ** -exponent;
  return n === exact ? sum : sum + ((n + 0.5) ** (1 - exponent) - (exact + 0.5) ** (1 - exponent)) / (1 - exponent);
}

import type { PteMemory } from "../src/index.ts";

/** Guest memory for tests: words that were written, and `background` everywhere else. Remembers what a walker stored. */
export class SparseMemory implements PteMemory {
  readonly words: Map<number, number> = new Map();
  readonly stores: { readonly gpa: number; readonly bits: number }[] = [];
  readonly background: number;

  constructor(background = 0) {
    this.background = background;
  }

  load32(gpa: number): number {
    if (gpa % 4 !== 0 || gpa < 0 || gpa >= 2 ** 52) throw new Error(`bad gpa ${gpa}`);
    return this.words.get(gpa) ?? this.background;
  }

  or32(gpa: number, bits: number): void {
    this.stores.push({ gpa, bits });
    this.words.set(gpa, (this.load32(gpa) | bits) >>> 0);
  }

  set32(gpa: number, value: number): void {
    this.words.set(gpa, value >>> 0);
  }

  set64(gpa: number, value: bigint): void {
    this.set32(gpa, Number(BigInt.asUintN(32, value)));
    this.set32(gpa + 4, Number(BigInt.asUintN(32, value >> 32n)));
  }

  get64(gpa: number): bigint {
    return (BigInt(this.load32(gpa + 4) >>> 0) << 32n) | BigInt(this.load32(gpa) >>> 0);
  }

  copy(): SparseMemory {
    const copy = new SparseMemory(this.background);
    for (const [gpa, word] of this.words) copy.words.set(gpa, word);
    return copy;
  }
}

export const P = 1n;
export const RW = 1n << 1n;
export const US = 1n << 2n;
export const A = 1n << 5n;
export const D = 1n << 6n;
export const PS = 1n << 7n;
export const G = 1n << 8n;
export const PAT_LARGE = 1n << 12n;
export const XD = 1n << 63n;

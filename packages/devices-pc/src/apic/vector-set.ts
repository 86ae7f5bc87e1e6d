/** A set of interrupt vectors as the 256-bit registers IRR, ISR and TMR hold it: eight words of 32 bits. */
export interface VectorSet {
  has(vector: number): boolean;
  add(vector: number): void;
  remove(vector: number): void;
  /** The highest vector, or -1. */
  highest(): number;
  /** Vectors 32 * `index` and up, unsigned: what the register at that place reads. */
  word(index: number): number;
  clear(): void;
  toArray(): number[];
  /** `words` are eight numbers of 32 bits. */
  load(words: readonly number[]): void;
}

export function createVectorSet(): VectorSet {
  const words = new Uint32Array(8);
  return {
    has: (vector) => (((words[vector >>> 5] as number) >>> (vector & 31)) & 1) !== 0,
    add(vector: number): void {
      words[vector >>> 5] = (words[vector >>> 5] as number) | (1 << (vector & 31));
    },
    remove(vector: number): void {
      words[vector >>> 5] = (words[vector >>> 5] as number) & ~(1 << (vector & 31));
    },
    highest(): number {
      for (let i = 7; i >= 0; i--) {
        const word = words[i] as number;
        if (word !== 0) return 32 * i + 31 - Math.clz32(word);
      }
      return -1;
    },
    word: (index) => words[index] as number,
    clear: () => void words.fill(0),
    toArray: () => Array.from(words),
    load: (from) => words.set(from),
  };
}

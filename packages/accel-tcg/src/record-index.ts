/**
 * Hash table from (code page, offset) to record address. Open addressing in one Int32Array: decoding inserts every
 * instruction, and a Map with as many entries would cost more memory than the records.
 */
export class RecordIndex {
  /** Pairs of key and record; key 0 is free. */
  #table = new Int32Array(1 << 17);
  #used = 0;

  /** @param page number of the code page, 1..2^19-1. @returns record address, or 0. */
  get(page: number, offset: number): number {
    const key = (page << 12) | offset;
    const mask = this.#table.length - 2;
    for (let at = hash(key) & mask; ; at = (at + 2) & mask) {
      const found = this.#table[at];
      if (found === key) return this.#table[at + 1] as number;
      if (found === 0) return 0;
    }
  }

  set(page: number, offset: number, record: number): void {
    if (this.#used * 4 > this.#table.length) this.#grow();
    const key = (page << 12) | offset;
    const mask = this.#table.length - 2;
    let at = hash(key) & mask;
    while (this.#table[at] !== 0 && this.#table[at] !== key) at = (at + 2) & mask;
    if (this.#table[at] === 0) this.#used++;
    this.#table[at] = key;
    this.#table[at + 1] = record;
  }

  clear(): void {
    this.#table.fill(0);
    this.#used = 0;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Int32Array(old.length * 2);
    this.#used = 0;
    for (let i = 0; i < old.length; i += 2) {
      const key = old[i] as number;
      if (key !== 0) this.set(key >>> 12, key & 0xfff, old[i + 1] as number);
    }
  }
}

const hash = (key: number): number => Math.imul(key, 0x9e37_79b1) >>> 6;

import type { TableMemory } from "../lab/lab-memory.ts";

/** Bytes of each of the two regions. */
export const REGION_BYTES: number = 2 ** 30;
const FIRST_WORDS = 2 ** 16;

/**
 * Host memory for simulations: two regions of a GByte, one after the other, and nothing above. All tables lie in these 2
 * GByte, so that their addresses are small integers and a load is one load: frames of the two take turns in one array,
 * which grows with what is stored in either.
 */
export class FlatMemory implements TableMemory {
  #words = new Int32Array(FIRST_WORDS);

  load32(physical: number): number {
    const word = wordOf(physical);
    return word < this.#words.length && physical < 2 * REGION_BYTES ? (this.#words[word] as number) : 0;
  }

  or32(physical: number, bits: number): void {
    this.store32(physical, this.load32(physical) | bits);
  }

  /** @throws RangeError (code `MMU_SIZE`) above the regions: there are more tables than a simulation has room for. */
  store32(physical: number, value: number): void {
    if (physical >= 2 * REGION_BYTES) {
      const message = "the page tables have outgrown the GByte a simulation has for them";
      throw Object.assign(new RangeError(message), { code: "MMU_SIZE" });
    }
    const word = wordOf(physical);
    if (word >= this.#words.length) this.#grow(word);
    this.#words[word] = value;
  }

  #grow(word: number): void {
    let { length } = this.#words;
    while (length <= word) length *= 2;
    const larger = new Int32Array(length);
    larger.set(this.#words);
    this.#words = larger;
  }
}

/** Frame number within the region, then the region's bit, then the word within the frame. */
function wordOf(physical: number): number {
  return ((physical & 0x3fff_f000) >>> 1) | ((physical & 0x4000_0000) >>> 20) | ((physical & 0xffc) >>> 2);
}

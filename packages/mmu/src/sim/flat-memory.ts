import type { TableMemory, WordMemory } from "../lab/lab-memory.ts";

/** Bytes of each of the two regions. */
export const REGION_BYTES: number = 2 ** 30;
const FIRST_WORDS = 2 ** 16;
/** Compared with this, and not with the next number, a small integer stays one. */
const LAST_BYTE = 2 ** 31 - 1;

/**
 * Host memory for simulations: two regions of a GByte, one after the other, and nothing above. All tables lie in these 2
 * GByte, so that their addresses are small integers and a load is one load. Each region takes as much as is stored in it.
 */
export class FlatMemory implements TableMemory, WordMemory {
  first: Int32Array<ArrayBuffer> = new Int32Array(FIRST_WORDS);
  second: Int32Array<ArrayBuffer> = new Int32Array(FIRST_WORDS);

  load32(physical: number): number {
    const words = physical < REGION_BYTES ? this.first : this.second;
    const word = (physical & (REGION_BYTES - 1)) >>> 2;
    return word < words.length && physical <= LAST_BYTE ? (words[word] as number) : 0;
  }

  or32(physical: number, bits: number): void {
    this.store32(physical, this.load32(physical) | bits);
  }

  /** @throws RangeError (code `MMU_SIZE`) above the regions: there are more tables than a simulation has room for. */
  store32(physical: number, value: number): void {
    if (physical > LAST_BYTE) {
      const message = "the page tables have outgrown the GByte a simulation has for them";
      throw Object.assign(new RangeError(message), { code: "MMU_SIZE" });
    }
    const word = (physical & (REGION_BYTES - 1)) >>> 2;
    if (physical < REGION_BYTES) this.first = grown(this.first, word);
    else this.second = grown(this.second, word);
    (physical < REGION_BYTES ? this.first : this.second)[word] = value;
  }
}

/** An array that has `word`: the same, or a larger one with its contents. */
function grown(words: Int32Array<ArrayBuffer>, word: number): Int32Array<ArrayBuffer> {
  if (word < words.length) return words;
  let { length } = words;
  while (length <= word) length *= 2;
  const larger = new Int32Array(length);
  larger.set(words);
  return larger;
}

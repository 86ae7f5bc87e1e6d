import type { CheckedGeometry } from "./geometry.ts";
import { createReplacement, type ReplacementState } from "./replacement.ts";
import { TAG_PCID, type TagScope } from "./tags.ts";

/** In the place of a key's high half: the slot is empty. Keys are shifted addresses, so none is that high. */
export const EMPTY = -1;

/**
 * Keys of up to 63 bits and a tag in a set-associative array: who is where. What an entry holds is the owner's, in arrays
 * of its own, by slot. Nothing allocates.
 *
 * A key is found under another tag than it was filled with where the entry's tag mask leaves out the difference: that is
 * how global pages are found in every address space.
 */
export class SetAssociative {
  /** Slots there are. */
  readonly size: number;
  /** Slots in use. */
  used = 0;
  readonly keyLow: Int32Array;
  readonly keyHigh: Int32Array;
  readonly tags: Int32Array;
  readonly tagMasks: Int32Array;
  readonly #ways: number;
  readonly #setMask: number;
  readonly #replacement: ReplacementState;

  constructor({ sets, ways, replacement }: CheckedGeometry) {
    this.size = sets * ways;
    this.keyLow = new Int32Array(this.size);
    this.keyHigh = new Int32Array(this.size).fill(EMPTY);
    this.tags = new Int32Array(this.size);
    this.tagMasks = new Int32Array(this.size);
    this.#ways = ways;
    this.#setMask = sets - 1;
    this.#replacement = createReplacement(replacement, sets, ways);
  }

  /** The slot of an entry, which counts as a use; -1: there is none. */
  find(keyLow: number, keyHigh: number, tag: number): number {
    const slot = this.#search(keyLow, keyHigh, tag);
    if (slot >= 0) this.#replacement.touch(slot);
    return slot;
  }

  /**
   * Makes room for an entry, in the place of one that it would be found as.
   * @returns its slot; whatever the owner keeps for it is the old entry's.
   */
  insert(keyLow: number, keyHigh: number, tag: number, tagMask: number): number {
    let slot = this.#search(keyLow, keyHigh, tag);
    if (slot < 0) slot = this.#room((keyLow & this.#setMask) >>> 0);
    if (this.keyHigh[slot] === EMPTY) this.used++;
    this.keyLow[slot] = keyLow;
    this.keyHigh[slot] = keyHigh;
    this.tags[slot] = tag;
    this.tagMasks[slot] = tagMask;
    this.#replacement.fill(slot);
    return slot;
  }

  /** Empties a slot. */
  drop(slot: number): void {
    if (this.keyHigh[slot] === EMPTY) return;
    this.keyHigh[slot] = EMPTY;
    this.used--;
  }

  /** Empties the entries of one key that are in scope. */
  dropKey(keyLow: number, keyHigh: number, scope: TagScope): void {
    const first = (keyLow & this.#setMask) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) {
      if (this.keyLow[slot] === keyLow && this.keyHigh[slot] === keyHigh && this.#isIn(slot, scope)) this.drop(slot);
    }
  }

  /** Empties one slot if it is in scope. */
  dropIn(slot: number, scope: TagScope): void {
    if (this.keyHigh[slot] !== EMPTY && this.#isIn(slot, scope)) this.drop(slot);
  }

  /** Empties all entries in scope. */
  dropAll(scope: TagScope): void {
    for (let slot = 0; slot < this.size && this.used > 0; slot++) if (this.#isIn(slot, scope)) this.drop(slot);
  }

  /** Whether an entry's tag is the scope's in the bits of its mask that the entry's own mask has too. */
  #isIn(slot: number, { tag, mask, keepsGlobal = false, nonZero = -1 }: TagScope): boolean {
    const own = this.tagMasks[slot] as number;
    if (keepsGlobal && (own & TAG_PCID) === 0) return false;
    if (nonZero !== -1 && ((this.tags[slot] as number) & nonZero) === 0) return false;
    return (((this.tags[slot] as number) ^ tag) & own & mask) === 0;
  }

  #search(keyLow: number, keyHigh: number, tag: number): number {
    const first = (keyLow & this.#setMask) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) {
      if (
        this.keyLow[slot] === keyLow &&
        this.keyHigh[slot] === keyHigh &&
        (((this.tags[slot] as number) ^ tag) & (this.tagMasks[slot] as number)) === 0
      ) {
        return slot;
      }
    }
    return -1;
  }

  #room(set: number): number {
    const first = set * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) if (this.keyHigh[slot] === EMPTY) return slot;
    return this.#replacement.victim(set);
  }
}

import type { CheckedGeometry } from "./geometry.ts";
import { createReplacement, type ReplacementState } from "./replacement.ts";
import { TAG_PCID, type TagScope } from "./tags.ts";

/** In the place of a key's high half: the slot is empty. Keys are shifted addresses, so none is that high. */
export const EMPTY = -1;

/** Words of an entry, side by side so that one line of the host's cache has them all; then come the owner's four. */
const KEY_LOW = 0;
const KEY_HIGH = 1;
const TAG = 2;
const TAG_MASK = 3;
const OWNER = 4;
/** log2 of the words an entry has. */
const ENTRY = 3;

/**
 * Keys of up to 63 bits and a tag in a set-associative array: who is where. What an entry holds is the owner's, in four
 * words of it that mean nothing here. Nothing allocates.
 *
 * A key is found under another tag than it was filled with where the entry's tag mask leaves out the difference: that is
 * how global pages are found in every address space.
 */
export class SetAssociative {
  /** Slots there are. */
  readonly size: number;
  /** Slots in use. */
  used = 0;
  readonly #words: Int32Array;
  readonly #ways: number;
  readonly #setMask: number;
  readonly #replacement: ReplacementState;

  constructor({ sets, ways, replacement }: CheckedGeometry) {
    this.size = sets * ways;
    this.#words = new Int32Array(this.size << ENTRY);
    for (let slot = 0; slot < this.size; slot++) this.#words[(slot << ENTRY) | KEY_HIGH] = EMPTY;
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

  /** Whether `slot` has an entry of the key; it counts as a use. */
  findAt(slot: number, keyLow: number, keyHigh: number, tag: number): boolean {
    if (!this.#isAt(slot, keyLow, keyHigh, tag)) return false;
    this.#replacement.touch(slot);
    return true;
  }

  /** Of an entry, {@link EMPTY} for none. */
  keyHighOf(slot: number): number {
    return this.#words[(slot << ENTRY) | KEY_HIGH] as number;
  }

  keyLowOf(slot: number): number {
    return this.#words[(slot << ENTRY) | KEY_LOW] as number;
  }

  /** Word 0 to 3 of what the owner keeps with an entry. */
  wordOf(slot: number, word: number): number {
    return this.#words[(slot << ENTRY) | OWNER | word] as number;
  }

  setWord(slot: number, word: number, value: number): void {
    this.#words[(slot << ENTRY) | OWNER | word] = value;
  }

  tagMaskOf(slot: number): number {
    return this.#words[(slot << ENTRY) | TAG_MASK] as number;
  }

  /**
   * Makes room for an entry, in the place of one that it would be found as.
   * @returns its slot; whatever the owner keeps for it is the old entry's.
   */
  insert(keyLow: number, keyHigh: number, tag: number, tagMask: number): number {
    let slot = this.#search(keyLow, keyHigh, tag);
    if (slot < 0) slot = this.#room((keyLow & this.#setMask) >>> 0);
    const words = this.#words;
    const at = slot << ENTRY;
    if (words[at | KEY_HIGH] === EMPTY) this.used++;
    words[at | KEY_LOW] = keyLow;
    words[at | KEY_HIGH] = keyHigh;
    words[at | TAG] = tag;
    words[at | TAG_MASK] = tagMask;
    this.#replacement.fill(slot);
    return slot;
  }

  /** Empties a slot. */
  drop(slot: number): void {
    if (this.keyHighOf(slot) === EMPTY) return;
    this.#words[(slot << ENTRY) | KEY_HIGH] = EMPTY;
    this.used--;
  }

  /** Empties the entries of one key that are in scope. */
  dropKey(keyLow: number, keyHigh: number, scope: TagScope): void {
    const first = (keyLow & this.#setMask) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) {
      if (this.keyLowOf(slot) === keyLow && this.keyHighOf(slot) === keyHigh && this.#isIn(slot, scope))
        this.drop(slot);
    }
  }

  /** Empties one slot if it is in scope. */
  dropIn(slot: number, scope: TagScope): void {
    if (this.keyHighOf(slot) !== EMPTY && this.#isIn(slot, scope)) this.drop(slot);
  }

  /** Empties all entries in scope. */
  dropAll(scope: TagScope): void {
    for (let slot = 0; slot < this.size && this.used > 0; slot++) if (this.#isIn(slot, scope)) this.drop(slot);
  }

  /** Whether an entry's tag is the scope's in the bits of its mask that the entry's own mask has too. */
  #isIn(slot: number, { tag, mask, keepsGlobal = false, nonZero = -1 }: TagScope): boolean {
    const own = this.tagMaskOf(slot);
    const ownTag = this.#words[(slot << ENTRY) | TAG] as number;
    if (keepsGlobal && (own & TAG_PCID) === 0) return false;
    if (nonZero !== -1 && (ownTag & nonZero) === 0) return false;
    return ((ownTag ^ tag) & own & mask) === 0;
  }

  #isAt(slot: number, keyLow: number, keyHigh: number, tag: number): boolean {
    const words = this.#words;
    const at = slot << ENTRY;
    return (
      words[at | KEY_LOW] === keyLow &&
      words[at | KEY_HIGH] === keyHigh &&
      (((words[at | TAG] as number) ^ tag) & (words[at | TAG_MASK] as number)) === 0
    );
  }

  #search(keyLow: number, keyHigh: number, tag: number): number {
    const first = (keyLow & this.#setMask) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) if (this.#isAt(slot, keyLow, keyHigh, tag)) return slot;
    return -1;
  }

  #room(set: number): number {
    const first = set * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) if (this.keyHighOf(slot) === EMPTY) return slot;
    return this.#replacement.victim(set);
  }
}

import { type ArrayGeometry, checkGeometry, geometryError } from "./geometry.ts";
import { EMPTY, SetAssociative } from "./set-associative.ts";
import type { Tag, TagScope } from "./tags.ts";

/** Page sizes that a TLB may hold; 4M is 32-bit paging's. */
export type TlbPageSize = "4K" | "2M" | "4M" | "1G";

/** One TLB array: for one page size (split) or several (unified; each size is looked up by its own index). */
export interface PageArrayGeometry extends ArrayGeometry {
  readonly pages: readonly TlbPageSize[];
}

/** What an entry holds beside its frame. */
const RIGHTS = 0;
/** log2 of the bytes it covers; of a slot never filled 0, where no key agrees. */
const SHIFT = 1;
/** log2 of the bytes of the page it is of: where that is more, the entry is a piece. */
const WHOLE_SHIFT = 2;

const SHIFTS: Readonly<Record<TlbPageSize, number>> = { "4K": 12, "2M": 21, "4M": 22, "1G": 30 };

/**
 * Translations of pages of one or several sizes in one array: a TLB of one level, or a nested TLB. A larger page than it
 * has room for is held in pieces of the largest size it does have, as processors do.
 */
export class PageArray {
  readonly #array: SetAssociative;
  /** Page shifts held, the smallest first; a size is known by its place here. */
  readonly #shifts: readonly number[];
  /** 1 for sizes filled since the array was last empty: lookups pass by sizes never seen. */
  readonly #filled: Uint8Array;
  readonly #pfns: Float64Array;
  /** Whether there may be pieces: then a page is dropped by looking at every entry. */
  #hasPieces = false;

  /** @param what names the structure in errors. @throws RangeError (code `MMU_GEOMETRY`) */
  constructor(what: string, geometry: PageArrayGeometry) {
    const { pages } = geometry;
    if (pages.length === 0 || pages.some((page) => SHIFTS[page] === undefined)) {
      throw geometryError(
        `${what}: pages must be of ${Object.keys(SHIFTS).join(", ")}, not ${pages.join(", ") || "none"}`,
      );
    }
    this.#array = new SetAssociative(checkGeometry(what, geometry));
    this.#shifts = pages.map((page) => SHIFTS[page]).sort((a, b) => a - b);
    this.#filled = new Uint8Array(pages.length);
    this.#pfns = new Float64Array(this.#array.size);
  }

  /** The slot that translates the address given by its halves, or -1. */
  find(low: number, high: number, tag: Tag): number {
    for (let size = 0; size < this.#shifts.length; size++) {
      if (this.#filled[size] === 0) continue;
      const shift = this.#shifts[size] as number;
      const slot = this.#array.find(keyLow(low, high, shift), keyHigh(high, shift, size), tag);
      if (slot >= 0) return slot;
    }
    return -1;
  }

  /** The rights of what `slot` translates, if it is the address given; 0 otherwise. Counts as a use. */
  rightsAt(slot: number, low: number, high: number, tag: Tag): number {
    const array = this.#array;
    const size = array.keyHighOf(slot) & 3;
    const shift = array.wordOf(slot, SHIFT);
    if (!array.findAt(slot, keyLow(low, high, shift), keyHigh(high, shift, size), tag)) return 0;
    return array.wordOf(slot, RIGHTS);
  }

  /**
   * Enters a page.
   * @param pageShift log2 of the bytes that one entry may cover. @param wholeShift of the page that is invalidated as one,
   * where that is more: of a guest's large page on small ones of the host. @param pfn frame of the 4-KByte page at the
   * address, also inside larger ones. @param rights whatever the owner wants to know at a hit, but not 0.
   */
  fill(
    low: number,
    high: number,
    tag: Tag,
    tagMask: number,
    pageShift: number,
    wholeShift: number,
    pfn: number,
    rights: number,
  ): void {
    const size = this.#sizeFor(pageShift);
    if (size < 0) return;
    const shift = this.#shifts[size] as number;
    const slot = this.#array.insert(keyLow(low, high, shift), keyHigh(high, shift, size), tag, tagMask);
    this.#filled[size] = 1;
    this.#pfns[slot] = pfn - ((low >>> 12) & ((1 << (shift - 12)) - 1));
    this.#array.setWord(slot, RIGHTS, rights);
    this.#array.setWord(slot, SHIFT, shift);
    this.#array.setWord(slot, WHOLE_SHIFT, wholeShift);
    if (wholeShift > shift) this.#hasPieces = true;
  }

  /** log2 of the pieces that a page of 2^`pageShift` bytes is held in; 0: the array has no room for any. */
  shiftFor(pageShift: number): number {
    const size = this.#sizeFor(pageShift);
    return size < 0 ? 0 : (this.#shifts[size] as number);
  }

  rightsOf(slot: number): number {
    return this.#array.wordOf(slot, RIGHTS);
  }

  /** Frame of the 4-KByte page at an address that `slot` translates. */
  pfnOf(slot: number, low: number): number {
    const inPage = (1 << (this.pageShiftOf(slot) - 12)) - 1;
    return (this.#pfns[slot] as number) + ((low >>> 12) & inPage);
  }

  pageShiftOf(slot: number): number {
    return this.#array.wordOf(slot, SHIFT);
  }

  wholeShiftOf(slot: number): number {
    return this.#array.wordOf(slot, WHOLE_SHIFT);
  }

  tagMaskOf(slot: number): number {
    return this.#array.tagMaskOf(slot);
  }

  /**
   * Drops what translates an address, of any size, and the other pieces of its page. SDM vol. 3A, "Operations that
   * Invalidate TLBs and Paging-Structure Caches": all entries for the page go, however many there are.
   */
  dropPage(low: number, high: number, scope: TagScope): void {
    for (let size = 0; size < this.#shifts.length; size++) {
      const shift = this.#shifts[size] as number;
      this.#array.dropKey(keyLow(low, high, shift), keyHigh(high, shift, size), scope);
    }
    if (this.#hasPieces) this.#dropPieces(low, high, scope);
  }

  /** Drops all entries in scope. */
  dropAll(scope: TagScope): void {
    this.#array.dropAll(scope);
    if (this.#array.used !== 0) return;
    this.#filled.fill(0);
    this.#hasPieces = false;
  }

  #dropPieces(low: number, high: number, scope: TagScope): void {
    const array = this.#array;
    for (let slot = 0; slot < array.size; slot++) {
      const size = array.keyHighOf(slot) & 3;
      const shift = this.pageShiftOf(slot);
      const whole = this.wholeShiftOf(slot);
      if (array.keyHighOf(slot) === EMPTY || whole <= shift) continue;
      // Both keys once more without the bits below the whole page.
      const below = whole - shift;
      const otherLow = keyLow(low, high, shift);
      const otherHigh = keyHigh(high, shift, size);
      const isSame = (array.keyLowOf(slot) ^ otherLow) >>> below === 0 && array.keyHighOf(slot) === otherHigh;
      if (isSame) array.dropIn(slot, scope);
    }
  }

  #sizeFor(pageShift: number): number {
    let size = this.#shifts.length - 1;
    while (size >= 0 && (this.#shifts[size] as number) > pageShift) size--;
    return size;
  }
}

/** Address bits from `shift` up, and which of the sizes it is: pages of two sizes never are one key. */
function keyLow(low: number, high: number, shift: number): number {
  return (low >>> shift) | (high << (32 - shift));
}

function keyHigh(high: number, shift: number, size: number): number {
  return ((high >>> shift) << 2) | size;
}

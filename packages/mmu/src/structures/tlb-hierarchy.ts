import { ACCESS_FETCH, type AccessBits } from "../access.ts";
import { PageArray, type PageArrayGeometry } from "./page-array.ts";
import type { Tag, TagScope } from "./tags.ts";

/** TLBs of two levels, each split by page size or unified. */
export interface TlbGeometry {
  /** First level for data; for fetches too unless `l1Fetch` is given. */
  readonly l1: readonly PageArrayGeometry[];
  readonly l1Fetch?: readonly PageArrayGeometry[];
  /** Second level, for data and fetches. */
  readonly l2?: readonly PageArrayGeometry[];
  /** What a lookup in the second level takes beyond one in the first; default {@link DEFAULT_L2_CYCLES}. */
  readonly l2Cycles?: number;
}

/** Of the order of Intel's since 2008. */
export const DEFAULT_L2_CYCLES = 7;

/** Addresses that share a hint agree in bits 21:12. */
const HINTS = 1024;
/** A hint is an array's place in its level from this bit up, and a slot of it below. */
const HINT_SLOT = 20;

/** Arrays of the first level, with where in them pages were found last. */
interface FirstLevel {
  readonly arrays: readonly PageArray[];
  readonly hints: Int32Array;
}

/** Lookup and fill over two levels; what is found in the second is brought into the first. */
export class TlbHierarchy {
  readonly l2Cycles: number;
  #array: PageArray | undefined;
  #slot = -1;
  readonly #l1Data: FirstLevel;
  readonly #l1Fetch: FirstLevel;
  readonly #l2: readonly PageArray[];
  readonly #all: readonly PageArray[];

  /** @throws RangeError (code `MMU_GEOMETRY`) */
  constructor({ l1, l1Fetch, l2 = [], l2Cycles = DEFAULT_L2_CYCLES }: TlbGeometry) {
    const build = (what: string, arrays: readonly PageArrayGeometry[]): readonly PageArray[] =>
      arrays.map((geometry) => new PageArray(`${what} for ${geometry.pages.join("+")}`, geometry));
    this.l2Cycles = l2Cycles;
    const first = (what: string, arrays: readonly PageArrayGeometry[]): FirstLevel => ({
      arrays: build(what, arrays),
      hints: new Int32Array(HINTS),
    });
    this.#l1Data = first("L1 TLB", l1);
    this.#l1Fetch = l1Fetch === undefined ? this.#l1Data : first("L1 fetch TLB", l1Fetch);
    this.#l2 = build("L2 TLB", l2);
    this.#all = [...new Set([...this.#l1Data.arrays, ...this.#l1Fetch.arrays, ...this.#l2])];
  }

  /**
   * The rights of an address's page if the first level has it where it had it last, which counts as a use: what
   * {@link find} would find, in a fraction of its time, because one entry is looked at instead of all that might be it.
   * @returns 0 if it is not there: it may be elsewhere.
   */
  rightsAgain(low: number, high: number, tag: Tag, access: AccessBits): number {
    const { arrays, hints } = (access & ACCESS_FETCH) === 0 ? this.#l1Data : this.#l1Fetch;
    const hint = hints[(low >>> 12) & (HINTS - 1)] as number;
    return (arrays[hint >>> HINT_SLOT] as PageArray).rightsAt(hint & ((1 << HINT_SLOT) - 1), low, high, tag);
  }

  /** @returns the level that has the page of an address: 1, 2, or 0 for none. */
  find(low: number, high: number, tag: Tag, access: AccessBits): number {
    const first = (access & ACCESS_FETCH) === 0 ? this.#l1Data : this.#l1Fetch;
    const found = this.#findIn(first.arrays, low, high, tag);
    if (found >= 0) {
      first.hints[(low >>> 12) & (HINTS - 1)] = (found << HINT_SLOT) | this.#slot;
      return 1;
    }
    if (this.#findIn(this.#l2, low, high, tag) < 0) return 0;
    const array = this.#array as PageArray;
    const slot = this.#slot;
    const pfn = array.pfnOf(slot, low);
    const [mask, shift, whole] = [array.tagMaskOf(slot), array.pageShiftOf(slot), array.wholeShiftOf(slot)];
    fillIn(first.arrays, low, high, tag, mask, shift, whole, pfn, array.rightsOf(slot));
    return 2;
  }

  /** Of the entry found: what {@link fill} was told; never 0. */
  get rights(): number {
    return (this.#array as PageArray).rightsOf(this.#slot);
  }

  /** Of the entry found: log2 of the bytes it covers. */
  get pageShift(): number {
    return (this.#array as PageArray).pageShiftOf(this.#slot);
  }

  /** Of the entry found: frame of the 4-KByte page at the address. */
  pfnOf(gvaLow: number): number {
    return (this.#array as PageArray).pfnOf(this.#slot, gvaLow);
  }

  /** Enters a page into both levels; see {@link PageArray.fill}. */
  fill(
    low: number,
    high: number,
    tag: Tag,
    tagMask: number,
    pageShift: number,
    wholeShift: number,
    pfn: number,
    rights: number,
    access: AccessBits,
  ): void {
    const first = (access & ACCESS_FETCH) === 0 ? this.#l1Data : this.#l1Fetch;
    fillIn(first.arrays, low, high, tag, tagMask, pageShift, wholeShift, pfn, rights);
    fillIn(this.#l2, low, high, tag, tagMask, pageShift, wholeShift, pfn, rights);
  }

  /** Drops what translates an address. */
  dropPage(low: number, high: number, scope: TagScope): void {
    for (const array of this.#all) array.dropPage(low, high, scope);
  }

  dropAll(scope: TagScope): void {
    for (const array of this.#all) array.dropAll(scope);
  }

  /** @returns the place of the array that has the page; -1: none. */
  #findIn(arrays: readonly PageArray[], low: number, high: number, tag: Tag): number {
    for (let i = 0; i < arrays.length; i++) {
      const array = arrays[i] as PageArray;
      const slot = array.find(low, high, tag);
      if (slot < 0) continue;
      this.#array = array;
      this.#slot = slot;
      return i;
    }
    return -1;
  }
}

/** Fills the array of a level that holds the page in the fewest pieces; none may have its size. */
function fillIn(
  arrays: readonly PageArray[],
  low: number,
  high: number,
  tag: Tag,
  tagMask: number,
  pageShift: number,
  wholeShift: number,
  pfn: number,
  rights: number,
): void {
  let best: PageArray | undefined;
  let bestShift = 0;
  for (let i = 0; i < arrays.length; i++) {
    const array = arrays[i] as PageArray;
    const shift = array.shiftFor(pageShift);
    if (shift <= bestShift) continue;
    best = array;
    bestShift = shift;
  }
  best?.fill(low, high, tag, tagMask, pageShift, wholeShift, pfn, rights);
}

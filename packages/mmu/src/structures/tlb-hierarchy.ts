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
  /** What a hit in the second level takes beyond one in the first; default 7 cycles. */
  readonly l2Cycles?: number;
}

/** Lookup and fill over two levels; what is found in the second is brought into the first. */
export class TlbHierarchy {
  readonly l2Cycles: number;
  #array: PageArray | undefined;
  #slot = -1;
  readonly #l1Data: readonly PageArray[];
  readonly #l1Fetch: readonly PageArray[];
  readonly #l2: readonly PageArray[];
  readonly #all: readonly PageArray[];

  /** @throws RangeError (code `MMU_GEOMETRY`) */
  constructor({ l1, l1Fetch, l2 = [], l2Cycles = 7 }: TlbGeometry) {
    const build = (what: string, arrays: readonly PageArrayGeometry[]): readonly PageArray[] =>
      arrays.map((geometry) => new PageArray(`${what} for ${geometry.pages.join("+")}`, geometry));
    this.l2Cycles = l2Cycles;
    this.#l1Data = build("L1 TLB", l1);
    this.#l1Fetch = l1Fetch === undefined ? this.#l1Data : build("L1 fetch TLB", l1Fetch);
    this.#l2 = build("L2 TLB", l2);
    this.#all = [...new Set([...this.#l1Data, ...this.#l1Fetch, ...this.#l2])];
  }

  /** @returns the level that has the page of an address: 1, 2, or 0 for none. */
  find(low: number, high: number, tag: Tag, access: AccessBits): number {
    const first = (access & ACCESS_FETCH) === 0 ? this.#l1Data : this.#l1Fetch;
    if (this.#findIn(first, low, high, tag)) return 1;
    if (!this.#findIn(this.#l2, low, high, tag)) return 0;
    const array = this.#array as PageArray;
    const slot = this.#slot;
    const pfn = array.pfnOf(slot, low);
    const [mask, shift, whole] = [array.tagMaskOf(slot), array.pageShiftOf(slot), array.wholeShiftOf(slot)];
    fillIn(first, low, high, tag, mask, shift, whole, pfn, array.rightsOf(slot));
    return 2;
  }

  /** Of the entry found: what {@link fill} was told. */
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
    fillIn(first, low, high, tag, tagMask, pageShift, wholeShift, pfn, rights);
    fillIn(this.#l2, low, high, tag, tagMask, pageShift, wholeShift, pfn, rights);
  }

  /** Drops what translates an address. */
  dropPage(low: number, high: number, scope: TagScope): void {
    for (const array of this.#all) array.dropPage(low, high, scope);
  }

  dropAll(scope: TagScope): void {
    for (const array of this.#all) array.dropAll(scope);
  }

  #findIn(arrays: readonly PageArray[], low: number, high: number, tag: Tag): boolean {
    for (let i = 0; i < arrays.length; i++) {
      const array = arrays[i] as PageArray;
      const slot = array.find(low, high, tag);
      if (slot < 0) continue;
      this.#array = array;
      this.#slot = slot;
      return true;
    }
    return false;
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

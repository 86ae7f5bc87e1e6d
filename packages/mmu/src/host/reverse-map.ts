/** What a frame that processes map is. `huge`: 512 frames from here on, mapped by one entry. */
export type PageKind = "private" | "merged" | "huge";

/** One page-table entry that maps a frame. */
export interface PageMapping<Space> {
  readonly space: Space;
  readonly hva: number;
}

/** A frame, or the first of 512, and who maps it. */
export interface MappedPage<Space> {
  readonly pfn: number;
  readonly kind: PageKind;
  readonly mappings: ReadonlyMap<number, PageMapping<Space>>;
}

/** Page numbers of 48-bit addresses. */
const VPNS = 2 ** 36;

/**
 * From frames to the page-table entries that map them, least recently used first: what reclaim, merging and splitting
 * begin with. The lists of Linux (LRU and rmap) in one.
 */
export class ReverseMap<Space extends { readonly id: number }> {
  readonly #pages = new Map<number, MappedPage<Space> & { readonly mappings: Map<number, PageMapping<Space>> }>();

  /** Enters a mapping; the first one says what the frame is. */
  add(pfn: number, kind: PageKind, space: Space, hva: number): void {
    let page = this.#pages.get(pfn);
    if (page === undefined) {
      page = { pfn, kind, mappings: new Map() };
      this.#pages.set(pfn, page);
    }
    page.mappings.set(keyOf(space, hva), { space, hva });
  }

  /** Takes a mapping out. @returns whether it was the frame's last. */
  remove(pfn: number, space: Space, hva: number): boolean {
    const page = this.#pages.get(pfn);
    if (page?.mappings.delete(keyOf(space, hva)) !== true)
      throw new Error(`frame ${pfn} is mapped where its entry says`);
    if (page.mappings.size > 0) return false;
    this.#pages.delete(pfn);
    return true;
  }

  get(pfn: number): MappedPage<Space> | undefined {
    return this.#pages.get(pfn);
  }

  /** The frame was found in use: it becomes the most recently used. */
  rotate(pfn: number): void {
    const page = this.#pages.get(pfn);
    if (page === undefined) return;
    this.#pages.delete(pfn);
    this.#pages.set(pfn, page);
  }

  /** A frame changes its kind and keeps its mappings and its place. */
  become(pfn: number, kind: PageKind): void {
    const page = this.#pages.get(pfn);
    if (page !== undefined) this.#pages.set(pfn, { ...page, kind });
  }

  /** All mapped frames, least recently used first. */
  pages(): IterableIterator<MappedPage<Space>> {
    return this.#pages.values();
  }

  get size(): number {
    return this.#pages.size;
  }
}

function keyOf(space: { readonly id: number }, hva: number): number {
  return space.id * VPNS + Math.floor(hva / 0x1000);
}

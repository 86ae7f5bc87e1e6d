// Where the records of instructions are, by their offsets in a page.
//
// A page of code has a hundred instructions that are ever executed, mostly next to each other: an array for each page would be nearly
// all zeros, and thousands of them are memory that V8 collects garbage for. Pages share one array, by stretches.

/** Offsets that have their places together. */
const STRETCH_SHIFT = 8;
const STRETCH = 1 << STRETCH_SHIFT;
const STRETCHES_OF_PAGE = 4096 >> STRETCH_SHIFT;
/** Room at first, in stretches; doubled when there is no more. */
const FIRST_ROOM = 1024;

/** A page's numbers of stretches, for {@link RecordPlaces} only; 0: a stretch without records. */
export type PagePlaces = Int32Array;

/** Records by page and offset; 0 where there is none. */
export class RecordPlaces {
  /** Stretch 0 is everybody's who has none, and stays empty. */
  #records = new Int32Array(FIRST_ROOM << STRETCH_SHIFT);
  #used = 1;
  /** Stretches given back, empty. */
  readonly #free: number[] = [];

  /** Of a page without records. */
  createPage(): PagePlaces {
    return new Int32Array(STRETCHES_OF_PAGE);
  }

  /** @param offset in the page, below 4096. */
  at(page: PagePlaces, offset: number): number {
    const stretch = page[offset >> STRETCH_SHIFT] as number;
    return this.#records[(stretch << STRETCH_SHIFT) | (offset & (STRETCH - 1))] as number;
  }

  put(page: PagePlaces, offset: number, record: number): void {
    let stretch = page[offset >> STRETCH_SHIFT] as number;
    if (stretch === 0) {
      stretch = this.#free.pop() ?? this.#newStretch();
      page[offset >> STRETCH_SHIFT] = stretch;
    }
    this.#records[(stretch << STRETCH_SHIFT) | (offset & (STRETCH - 1))] = record;
  }

  /** The page has no records any more. */
  clear(page: PagePlaces): void {
    for (const stretch of page) {
      if (stretch === 0) continue;
      this.#records.fill(0, stretch << STRETCH_SHIFT, (stretch + 1) << STRETCH_SHIFT);
      this.#free.push(stretch);
    }
    page.fill(0);
  }

  /** Forgets all pages: none that was created before may be used any more. */
  reset(): void {
    this.#records.fill(0, 0, this.#used << STRETCH_SHIFT);
    this.#used = 1;
    this.#free.length = 0;
  }

  #newStretch(): number {
    if (this.#used << STRETCH_SHIFT === this.#records.length) {
      const larger = new Int32Array(this.#records.length * 2);
      larger.set(this.#records);
      this.#records = larger;
    }
    return this.#used++;
  }
}

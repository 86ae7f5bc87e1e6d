/** Stores to one table within an interval that make it nested: a first one alone is likely the last for long. */
const STORES_TO_NEST = 2;

/**
 * Which of a guest's tables agile paging leaves to two-dimensional walks, learnt from what the guest stores. A table that
 * is stored to twice within an interval is nested, with all below it; one that rests for a whole interval is shadowed
 * again. After J. Gandhi et al., "Agile Paging", ISCA 2016, whose intervals are a second of time.
 *
 * Tables are known by their host frames.
 */
export class AgilePolicy {
  /** Stores that trapped in this interval. */
  readonly #trapped = new Map<number, number>();
  /** Nested tables, and whether they were stored to in this interval. */
  readonly #nested = new Map<number, boolean>();

  isNested(frame: number): boolean {
    return this.#nested.has(frame);
  }

  /** A store to a shadowed table has trapped. @returns whether the table is nested from now on. */
  trap(frame: number): boolean {
    const stores = (this.#trapped.get(frame) ?? 0) + 1;
    this.#trapped.set(frame, stores);
    if (stores < STORES_TO_NEST) return false;
    this.#nested.set(frame, true);
    return true;
  }

  /** A store, to any frame: of nested tables the host's dirty flags tell. */
  store(frame: number): void {
    if (this.#nested.has(frame)) this.#nested.set(frame, true);
  }

  /** @returns the tables that are shadowed from now on. */
  endInterval(): readonly number[] {
    this.#trapped.clear();
    const resting: number[] = [];
    for (const [frame, isStored] of this.#nested) {
      if (isStored) this.#nested.set(frame, false);
      else resting.push(frame);
    }
    for (const frame of resting) this.#nested.delete(frame);
    return resting;
  }
}

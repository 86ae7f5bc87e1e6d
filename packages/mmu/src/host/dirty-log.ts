/** How writes are noticed: by taking the right to write, so that the first write faults; or by the processor's D flags. */
export type DirtyMethod = "write-protect" | "dirty-flags";

/** How a slot is logged. KVM API, KVM_MEM_LOG_DIRTY_PAGES and KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
export interface DirtyLogOptions {
  /** Default `write-protect`. `dirty-flags` needs `ept` with accessed and dirty flags, or `npt`. */
  readonly method?: DirtyMethod;
  /** Reading the log does not clear it; `clearDirtyLog` does, page by page. Default false. */
  readonly manual?: boolean;
  /** With `manual`: every page begins as dirty, and is protected only once it is cleared. Default false. */
  readonly initiallySet?: boolean;
}

/** Which pages of one slot were written to: one bit a page, least significant first, in whole 64-bit words. */
export class DirtyLog {
  readonly method: DirtyMethod;
  readonly manual: boolean;
  readonly #pages: number;
  readonly #bitmap: Uint8Array;

  constructor(pages: number, { method = "write-protect", manual = false, initiallySet = false }: DirtyLogOptions) {
    if (initiallySet && !manual) throw dirtyLogError("initiallySet is for logs that are cleared by hand (manual)");
    this.method = method;
    this.manual = manual;
    this.#pages = pages;
    this.#bitmap = new Uint8Array(Math.ceil(pages / 64) * 8);
    if (initiallySet) for (let page = 0; page < pages; page++) this.mark(page);
  }

  mark(page: number): void {
    const at = page >>> 3;
    this.#bitmap[at] = (this.#bitmap[at] as number) | (1 << (page & 7));
  }

  /** A copy of the bits. */
  copy(): Uint8Array {
    return this.#bitmap.slice();
  }

  /** Clears what is set here and in `bits`, which begin at `first`. @returns the pages that were cleared. */
  clear(first: number, bits: Uint8Array): readonly number[] {
    const cleared: number[] = [];
    for (let page = first; page < Math.min(this.#pages, first + bits.length * 8); page++) {
      const [at, bit] = [page >>> 3, 1 << (page & 7)];
      const wanted = bits[(page - first) >>> 3] as number;
      if (((this.#bitmap[at] as number) & wanted & bit) === 0) continue;
      this.#bitmap[at] = (this.#bitmap[at] as number) & ~bit;
      cleared.push(page);
    }
    return cleared;
  }

  /** @throws RangeError (code `MMU_DIRTY_LOG`) unless the bits begin and end at whole words, or end with the slot. */
  check(first: number, bits: Uint8Array): void {
    const isInside = Number.isInteger(first) && first >= 0 && first % 64 === 0 && first < this.#pages;
    if (!isInside) throw dirtyLogError(`bits begin at a multiple of 64 below ${this.#pages}, not at ${first}`);
    if (bits.length % 8 !== 0 || first / 8 + bits.length > this.#bitmap.length) {
      throw dirtyLogError(
        `bits come in words of 8 bytes, at most ${this.#bitmap.length - first / 8} bytes from ${first} on`,
      );
    }
  }
}

/** Misuse of a dirty log. */
export function dirtyLogError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_DIRTY_LOG" });
}

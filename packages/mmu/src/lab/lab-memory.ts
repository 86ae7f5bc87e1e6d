import type { PteMemory } from "../walker.ts";

/** Memory that tables can be built in. */
export interface TableMemory extends PteMemory {
  /** Replaces four bytes. `physical` is 4-byte aligned and below 2^52. */
  store32(physical: number, value: number): void;
}

/** Memory that is two arrays up to 2 GByte, as far as anything was stored there: for walks that read them in place. */
export interface WordMemory extends PteMemory {
  /** Words of the first GByte; another array when it has grown. Its length is a power of two. */
  readonly first: Int32Array;
  /** Words of the second GByte, likewise. */
  readonly second: Int32Array;
}

/** Whether memory can be read in place. */
export function isWordMemory(memory: PteMemory): memory is WordMemory {
  return "first" in memory && "second" in memory;
}

const FRAME_WORDS = 1024;
/** Below, frames are found by two indexes; above, by a map. Tables that walks are fast in lie below. */
const NEAR_BYTES = 2 ** 38;
const FRAMES_PER_PAGE = 2 ** 12;

type FramePage = (Int32Array | undefined)[];

/** Physical memory that takes room only where something was stored; everything else reads as 0. */
export class LabMemory implements TableMemory {
  readonly #near: (FramePage | undefined)[] = new Array(NEAR_BYTES / 0x1000 / FRAMES_PER_PAGE).fill(undefined);
  readonly #far = new Map<number, Int32Array>();

  load32(physical: number): number {
    const frame = this.#frameOf(physical);
    return frame === undefined ? 0 : (frame[(physical & 0xfff) >>> 2] as number);
  }

  or32(physical: number, bits: number): void {
    this.store32(physical, this.load32(physical) | bits);
  }

  store32(physical: number, value: number): void {
    const frame = this.#frameOf(physical) ?? this.#addFrame(physical);
    frame[(physical & 0xfff) >>> 2] = value;
  }

  #frameOf(physical: number): Int32Array | undefined {
    if (physical >= NEAR_BYTES) return this.#far.get(Math.floor(physical / 0x1000));
    const pfn = (physical / 0x1000) | 0;
    return this.#near[pfn >>> 12]?.[pfn & (FRAMES_PER_PAGE - 1)];
  }

  #addFrame(physical: number): Int32Array {
    const frame = new Int32Array(FRAME_WORDS);
    const pfn = Math.floor(physical / 0x1000);
    if (physical >= NEAR_BYTES) this.#far.set(pfn, frame);
    else {
      const page = this.#near[pfn >>> 12] ?? new Array(FRAMES_PER_PAGE).fill(undefined);
      page[pfn & (FRAMES_PER_PAGE - 1)] = frame;
      this.#near[pfn >>> 12] = page;
    }
    return frame;
  }

  /** The 1024 words of a frame, live until the frame is set; undefined where nothing was stored. */
  frame(pfn: number): Int32Array | undefined {
    return this.#frameOf(pfn * 0x1000);
  }

  /** Makes a frame hold a copy of `words`; zeros if undefined. */
  setFrame(pfn: number, words: Int32Array | undefined): void {
    if (words !== undefined) (this.#frameOf(pfn * 0x1000) ?? this.#addFrame(pfn * 0x1000)).set(words);
    else if (pfn * 0x1000 >= NEAR_BYTES) this.#far.delete(pfn);
    else {
      const page = this.#near[pfn >>> 12];
      if (page !== undefined) page[pfn & (FRAMES_PER_PAGE - 1)] = undefined;
    }
  }
}

/**
 * Guest physical memory as a guest sees it: the frames of `memory` that `hpaOf` gives, for building a guest's tables
 * before or beside its walks.
 * @param hpaOf host physical address of a guest physical one.
 */
export function guestView(memory: TableMemory, hpaOf: (gpa: number) => number): TableMemory {
  return {
    load32: (gpa) => memory.load32(hpaOf(gpa)),
    or32: (gpa, bits) => memory.or32(hpaOf(gpa), bits),
    store32: (gpa, value) => memory.store32(hpaOf(gpa), value),
  };
}

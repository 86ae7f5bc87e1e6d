import type { PteMemory } from "../walker.ts";

/** Memory that tables can be built in. */
export interface TableMemory extends PteMemory {
  /** Replaces four bytes. `physical` is 4-byte aligned and below 2^52. */
  store32(physical: number, value: number): void;
}

const FRAME_WORDS = 1024;

/** Physical memory that takes room only where something was stored; everything else reads as 0. */
export class LabMemory implements TableMemory {
  readonly #frames = new Map<number, Int32Array>();

  load32(physical: number): number {
    return this.#frames.get(Math.floor(physical / 0x1000))?.[(physical & 0xfff) >>> 2] ?? 0;
  }

  or32(physical: number, bits: number): void {
    this.store32(physical, this.load32(physical) | bits);
  }

  store32(physical: number, value: number): void {
    const pfn = Math.floor(physical / 0x1000);
    let frame = this.#frames.get(pfn);
    if (frame === undefined) {
      frame = new Int32Array(FRAME_WORDS);
      this.#frames.set(pfn, frame);
    }
    frame[(physical & 0xfff) >>> 2] = value;
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

import type { LabMemory } from "../lab/lab-memory.ts";

/** Frames of a huge page, 2 MiB. */
export const HUGE_FRAMES = 512;
/** Bytes of a huge page. */
export const HUGE_BYTES: number = HUGE_FRAMES * 0x1000;
/** The first frame given out: a block boundary, and never frame 0. */
const FIRST_PFN = HUGE_FRAMES;

/**
 * Which frames of host memory are in use. Single frames come from the block of 512 that is already broken up, as a buddy
 * allocator would have it, so that whole blocks last for huge pages. Deterministic.
 */
export class HostFrames {
  readonly total: number;
  readonly #memory: LabMemory;
  readonly #used: Uint8Array;
  readonly #freeInBlock: Uint16Array;
  /** Blocks that are neither full nor whole. */
  readonly #broken = new Set<number>();
  #free: number;

  constructor(memory: LabMemory, total: number) {
    this.#memory = memory;
    this.total = total;
    this.#free = total;
    this.#used = new Uint8Array(total);
    this.#freeInBlock = new Uint16Array(Math.ceil(total / HUGE_FRAMES)).fill(HUGE_FRAMES);
    const rest = total % HUGE_FRAMES;
    if (rest === 0) return;
    this.#freeInBlock[this.#freeInBlock.length - 1] = rest;
    this.#broken.add(this.#freeInBlock.length - 1);
  }

  get free(): number {
    return this.#free;
  }

  /** A frame of zeros. The caller has seen to it that one is free. @returns its number. */
  allocate(): number {
    if (this.#free === 0) throw new Error("frames are reserved before they are allocated");
    const block = this.#broken.values().next().value ?? this.#wholeBlock();
    const index = this.#used.indexOf(0, block * HUGE_FRAMES);
    this.#take(index);
    return FIRST_PFN + index;
  }

  /** 512 frames of zeros at a multiple of 2 MiB. @returns the first one's number; undefined if there is no such block. */
  allocateHuge(): number | undefined {
    const block = this.#wholeBlock();
    if (block < 0) return undefined;
    for (let i = 0; i < HUGE_FRAMES; i++) this.#take(block * HUGE_FRAMES + i);
    return FIRST_PFN + block * HUGE_FRAMES;
  }

  /** Gives back one frame, also of what was a huge page. */
  release(pfn: number): void {
    const index = pfn - FIRST_PFN;
    if (this.#used[index] !== 1) throw new Error(`frame ${pfn} is released once`);
    this.#used[index] = 0;
    this.#memory.setFrame(pfn, undefined);
    this.#free++;
    const block = Math.floor(index / HUGE_FRAMES);
    const free = (this.#freeInBlock[block] as number) + 1;
    this.#freeInBlock[block] = free;
    if (free === HUGE_FRAMES) this.#broken.delete(block);
    else this.#broken.add(block);
  }

  /** A whole block, or -1. */
  #wholeBlock(): number {
    return this.#freeInBlock.indexOf(HUGE_FRAMES);
  }

  #take(index: number): void {
    this.#used[index] = 1;
    this.#free--;
    const block = Math.floor(index / HUGE_FRAMES);
    const free = (this.#freeInBlock[block] as number) - 1;
    this.#freeInBlock[block] = free;
    if (free === 0) this.#broken.delete(block);
    else this.#broken.add(block);
  }
}

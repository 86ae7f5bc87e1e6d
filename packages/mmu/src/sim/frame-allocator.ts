/** Gives frames of one size from a region upwards, and takes them back: the last given back is the next given. */
export class FrameAllocator {
  /** Frames in use. */
  used = 0;
  readonly #frameBytes: number;
  readonly #free: number[] = [];
  #next: number;

  /** @param first address of the first frame. */
  constructor(first: number, frameBytes: number) {
    this.#next = first;
    this.#frameBytes = frameBytes;
  }

  /** @returns the address of a frame. */
  take(): number {
    this.used++;
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    this.#next += this.#frameBytes;
    return this.#next - this.#frameBytes;
  }

  give(address: number): void {
    this.used--;
    this.#free.push(address);
  }
}

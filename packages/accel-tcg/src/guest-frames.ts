import type { IoPort, MemorySlot } from "@tsvm/contracts";
import type { PhysicalMemory } from "@tsvm/cpu-x86";

const FRAME = 4096;

/** A frame's code is about to change: whoever decoded it must forget. Offsets are within the frame. */
export type CodeWriteObserver = (gfn: number, first: number, length: number) => void;

interface Slot extends MemorySlot {
  readonly firstFrame: number;
  readonly frames: number;
  /** One bit a frame: handed out for writing since the log was taken. */
  readonly dirty: Uint8Array;
  /** A byte a frame, not 0: it holds decoded code. */
  readonly code: Uint8Array;
}

/**
 * Guest physical memory of one VM: slots onto host memory, everything else through the board's IoPort.
 *
 * Invariant: a frame with decoded code or with a clean dirty bit is not handed out for writing, so that its first
 * store is seen.
 */
export class GuestFrames implements PhysicalMemory {
  readonly #u8: Uint8Array;
  readonly #slots: (Slot | undefined)[] = [];
  #lastSlot: Slot | undefined;
  /** Where accesses go that no slot backs. */
  io: IoPort | undefined;
  onCodeWrite: CodeWriteObserver = () => {};
  /** Accesses to what no slot backs. */
  readonly counters = { deviceLoads: 0, deviceStores: 0 };

  constructor(buffer: ArrayBufferLike) {
    this.#u8 = new Uint8Array(buffer);
  }

  setSlot(index: number, slot: MemorySlot | undefined): void {
    this.#lastSlot = undefined;
    const frames = slot === undefined ? 0 : slot.length / FRAME;
    this.#slots[index] = slot && {
      ...slot,
      firstFrame: slot.gpa / FRAME,
      frames,
      dirty: new Uint8Array(Math.ceil(frames / 8)),
      code: new Uint8Array(frames),
    };
  }

  /** One bit a frame of the slot; clears them. Write translations must be dropped afterwards. */
  takeDirtyLog(index: number): Uint8Array {
    const slot = this.#slots[index];
    if (slot === undefined) return new Uint8Array();
    const log = slot.dirty.slice();
    slot.dirty.fill(0);
    return log;
  }

  readableFrame(gfn: number): number {
    const slot = this.#slotOf(gfn);
    return slot === undefined ? -1 : slot.hva + (gfn - slot.firstFrame) * FRAME;
  }

  writableFrame(gfn: number): number {
    const slot = this.#slotOf(gfn);
    if (slot === undefined || slot.readOnly || holdsCode(slot, gfn)) return -1;
    this.#markDirty(slot, gfn);
    return slot.hva + (gfn - slot.firstFrame) * FRAME;
  }

  load(gpa: number, size: number, hva: number): void {
    const frame = this.readableFrame(Math.floor(gpa / FRAME));
    if (frame >= 0) {
      const from = frame + (gpa % FRAME);
      this.#u8.copyWithin(hva, from, from + size);
      return;
    }
    this.counters.deviceLoads++;
    if (this.io === undefined) this.#u8.fill(0xff, hva, hva + size);
    else this.io.load(gpa, this.#u8.subarray(hva, hva + size));
  }

  store(gpa: number, size: number, hva: number): void {
    const gfn = Math.floor(gpa / FRAME);
    const slot = this.#slotOf(gfn);
    if (slot === undefined) {
      this.counters.deviceStores++;
      this.io?.store(gpa, this.#u8.slice(hva, hva + size));
    } else if (!slot.readOnly) {
      const offset = gpa % FRAME;
      this.#markDirty(slot, gfn);
      this.#u8.copyWithin(slot.hva + (gfn - slot.firstFrame) * FRAME + offset, hva, hva + size);
      if (holdsCode(slot, gfn)) this.onCodeWrite(gfn, offset, size);
    }
  }

  /** RAM was changed behind the CPU's back (DMA, loaders). */
  noteHostWrite(gpa: number, length: number): void {
    let at = gpa;
    while (at < gpa + length) {
      const gfn = Math.floor(at / FRAME);
      const end = Math.min((gfn + 1) * FRAME, gpa + length);
      const slot = this.#slotOf(gfn);
      if (slot !== undefined) {
        this.#markDirty(slot, gfn);
        if (holdsCode(slot, gfn)) this.onCodeWrite(gfn, at % FRAME, end - at);
      }
      at = end;
    }
  }

  /** The frame holds decoded code from now on (or no longer). What no slot backs is not looked after. */
  setCode(gfn: number, code: boolean): void {
    const slot = this.#slotOf(gfn);
    if (slot !== undefined) slot.code[gfn - slot.firstFrame] = code ? 1 : 0;
  }

  #markDirty(slot: Slot, gfn: number): void {
    const frame = gfn - slot.firstFrame;
    (slot.dirty[frame >> 3] as number) |= 1 << (frame & 7);
  }

  #slotOf(gfn: number): Slot | undefined {
    const last = this.#lastSlot;
    if (last !== undefined && gfn >= last.firstFrame && gfn < last.firstFrame + last.frames) return last;
    for (const slot of this.#slots)
      if (slot !== undefined && gfn >= slot.firstFrame && gfn < slot.firstFrame + slot.frames) {
        this.#lastSlot = slot;
        return slot;
      }
    return undefined;
  }
}

const holdsCode = (slot: Slot, gfn: number): boolean => slot.code[gfn - slot.firstFrame] !== 0;

import { type Gpa, integerField, listField, recordField, type StateField, u16Field, u32Field } from "@tsvm/contracts";
import { CHAIN_LIMIT } from "./descriptor.ts";
import type { GuestAccess } from "./guest-access.ts";

/** A piece of a buffer that the driver made available. */
export interface ChainSegment {
  gpa: Gpa;
  length: number;
}

/** A chain as data: what a snapshot keeps of a request that is under way. */
export interface ChainState {
  id: number;
  slots: number;
  ordinal: number;
  readable: ChainSegment[];
  writable: ChainSegment[];
}

const segmentField = recordField<ChainSegment>({ gpa: integerField(0, 2 ** 52), length: u32Field });

export const chainField: StateField<ChainState> = recordField<ChainState>({
  id: u16Field,
  slots: integerField(1, 0x8000),
  ordinal: u32Field,
  readable: listField(segmentField, 0, CHAIN_LIMIT),
  writable: listField(segmentField, 0, CHAIN_LIMIT),
});

/**
 * One buffer of the driver: the part that the device reads, then the part that it writes, each a stream of bytes over
 * scattered segments. Both streams have a position, moved by `read` and `write`; framing of segments means nothing
 * (virtio 1.2, "Message Framing").
 */
export class DescriptorChain {
  /** What goes back to the driver: the head's index (split) or the buffer id (packed). */
  readonly id: number;
  /** Ring entries that the chain takes up; 1 in a split queue. */
  readonly slots: number;
  /** Its number among the chains of a queue that keeps their order; 0 in others. */
  ordinal: number;
  readonly readableLength: number;
  readonly writableLength: number;
  /** Bytes taken so far by `read`. */
  readPosition = 0;
  /** Bytes put so far by `write`. */
  writePosition = 0;
  readonly #access: GuestAccess;
  readonly #readable: readonly ChainSegment[];
  readonly #writable: readonly ChainSegment[];

  constructor(access: GuestAccess, state: ChainState) {
    this.id = state.id;
    this.slots = state.slots;
    this.ordinal = state.ordinal;
    this.#access = access;
    this.#readable = state.readable;
    this.#writable = state.writable;
    this.readableLength = totalLength(state.readable);
    this.writableLength = totalLength(state.writable);
  }

  /** Fills `dst` with the next bytes from the driver. False: there are fewer, or they are not in RAM. */
  read(dst: Uint8Array): boolean {
    if (this.readPosition + dst.length > this.readableLength) return false;
    const done = this.#transfer(this.#readable, this.readPosition, dst, false);
    this.readPosition += dst.length;
    return done;
  }

  /** Puts `src` next into the driver's buffer. False: there is no room for it, or not in RAM. */
  write(src: Uint8Array): boolean {
    if (this.writePosition + src.length > this.writableLength) return false;
    const done = this.#transfer(this.#writable, this.writePosition, src, true);
    this.writePosition += src.length;
    return done;
  }

  save(): ChainState {
    const copy = (segments: readonly ChainSegment[]): ChainSegment[] => segments.map((segment) => ({ ...segment }));
    const { id, slots, ordinal } = this;
    return { id, slots, ordinal, readable: copy(this.#readable), writable: copy(this.#writable) };
  }

  #transfer(segments: readonly ChainSegment[], position: number, bytes: Uint8Array, toGuest: boolean): boolean {
    let skip = position;
    let done = 0;
    for (const { gpa, length } of segments) {
      if (done === bytes.length) break;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = bytes.subarray(done, done + length - skip);
      const moved = toGuest ? this.#access.write(gpa + skip, part) : this.#access.read(gpa + skip, part);
      if (!moved) return false;
      done += part.length;
      skip = 0;
    }
    return true;
  }
}

function totalLength(segments: readonly ChainSegment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

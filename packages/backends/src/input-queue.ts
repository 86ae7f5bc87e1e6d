import type { Disposable } from "@tsvm/contracts";

/** The input half of a chardev: what the host has delivered and the guest has not taken yet. */
export interface InputQueue {
  /** Bytes waiting. */
  readonly length: number;
  /** Appends `bytes`; the queue owns the buffer from here on. Never refuses: `onFull` asks the source to stop. */
  push(bytes: Uint8Array): void;
  /** Takes `max` bytes, or all that wait if they are fewer. The caller must not change the result. */
  read(max: number): Uint8Array;
  /** As `Chardev.onInput`. */
  onInput(sink: () => void): Disposable;
}

/** Flow control between a source and an {@link InputQueue}. */
export interface InputQueueOptions {
  /** Bytes at which the source is asked to stop. */
  readonly limit?: number;
  /** At least `limit` bytes wait. */
  readonly onFull?: () => void;
  /** After `onFull`: less than half of `limit` waits. */
  readonly onRoom?: () => void;
}

/**
 * Input held back before the source is paused. Large, because an escape key behind a paste that the guest does not read
 * must still be seen, and bounded, because a pipe may deliver without end.
 */
export const INPUT_LIMIT: number = 16 * 1024 * 1024;

const EMPTY = new Uint8Array(0);

/**
 * A first-in first-out queue of byte chunks.
 *
 * Invariants: (1) bytes leave in the order they came, each exactly once; (2) sinks are called when input arrives and the
 * last read came back short, or none has been made: a consumer that reads until it gets less than it asked for sleeps
 * safely; (3) `onFull` and `onRoom` alternate.
 */
export function createInputQueue(options: InputQueueOptions = {}): InputQueue {
  const limit = options.limit ?? INPUT_LIMIT;
  const sinks = new Set<() => void>();
  let chunks: Uint8Array[] = [];
  let head = 0; // index of the first chunk with bytes left
  let offset = 0; // bytes of that chunk already taken
  let length = 0;
  let hungry = true;
  let full = false;

  const notify = (): void => {
    hungry = false;
    for (const sink of [...sinks]) sink();
  };

  /** Takes up to `max` bytes out of the oldest chunk, without copying. */
  const shift = (max: number): Uint8Array => {
    const chunk = chunks[head] as Uint8Array;
    const bytes = chunk.subarray(offset, offset + max);
    offset += bytes.length;
    length -= bytes.length;
    if (offset === chunk.length) {
      chunks[head++] = EMPTY;
      offset = 0;
    }
    // Dropping taken chunks one by one would be quadratic; half of the array at a time is not.
    if (head * 2 >= chunks.length) {
      chunks = chunks.slice(head);
      head = 0;
    }
    return bytes;
  };

  /** Exactly `count` bytes, at most `length`: a short answer would tell the consumer that nothing is left. */
  const take = (count: number): Uint8Array => {
    const first = shift(count);
    if (first.length === count) return first;
    const bytes = new Uint8Array(count);
    bytes.set(first);
    for (let at = first.length; at < count; ) {
      const next = shift(count - at);
      bytes.set(next, at);
      at += next.length;
    }
    return bytes;
  };

  return {
    get length(): number {
      return length;
    },
    push(bytes: Uint8Array): void {
      if (bytes.length === 0) return;
      chunks.push(bytes);
      length += bytes.length;
      if (!full && length >= limit) {
        full = true;
        options.onFull?.();
      }
      if (hungry) notify();
    },
    read(max: number): Uint8Array {
      const count = Math.min(max, length);
      hungry ||= count < max;
      const bytes = count > 0 ? take(count) : EMPTY;
      if (full && length < limit / 2) {
        full = false;
        options.onRoom?.();
      }
      return bytes;
    },
    onInput(sink: () => void): Disposable {
      sinks.add(sink);
      // Input that came before the consumer did would otherwise wait for the next key stroke.
      if (length > 0) queueMicrotask(() => sinks.has(sink) && length > 0 && sink());
      return { dispose: () => void sinks.delete(sink) };
    },
  };
}

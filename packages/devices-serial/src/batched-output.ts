import type { Chardev, Clock, Disposable } from "@tsvm/contracts";

/** How long a byte may wait for company, in nanoseconds: short against a human, long against a guest's print loop. */
const LINGER_NS = 1_000_000;
const CAPACITY = 4096;

/** Bytes on their way to a {@link Chardev}, handed over in batches. */
export interface BatchedOutput {
  /** Takes one byte; the chardev gets it when the buffer fills or after a millisecond of guest time. */
  put(byte: number): void;
  /** Hands over what is waiting, now. */
  flush(): void;
}

/** One call of `chardev.write` costs a system call on most backends; a guest writes single bytes. */
export function createBatchedOutput(chardev: Chardev, clock: Clock): BatchedOutput {
  const buffer = new Uint8Array(CAPACITY);
  let length = 0;
  let linger: Disposable | undefined;

  function flush(): void {
    linger?.dispose();
    linger = undefined;
    if (length === 0) return;
    const batch = buffer.slice(0, length);
    length = 0;
    chardev.write(batch);
  }

  return {
    put(byte: number): void {
      buffer[length++] = byte;
      if (length === CAPACITY) flush();
      else if (linger === undefined) linger = clock.arm(clock.now() + LINGER_NS, flush);
    },
    flush,
  };
}

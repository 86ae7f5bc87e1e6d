/** Gathers the single bytes a serial port writes into chunks worth a system call. */
export interface OutputBuffer {
  /** Copies `bytes`; they reach the sink when the buffer is full or the current turn of the event loop's job ends. */
  write(bytes: Uint8Array): void;
  /** Hands what was gathered to the sink now. */
  flush(): void;
}

/** Bytes gathered before the sink is called even within one run slice. */
const CHUNK = 16 * 1024;

/** `sink` owns the chunks it gets. */
export function createOutputBuffer(sink: (chunk: Uint8Array) => void): OutputBuffer {
  const buffer = new Uint8Array(CHUNK);
  let length = 0;
  let scheduled = false;

  const flush = (): void => {
    if (length === 0) return;
    const chunk = buffer.slice(0, length);
    length = 0;
    sink(chunk);
  };

  // A microtask runs as soon as the vCPU's slice returns to the event loop: no key echo waits for a timer.
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      flush();
    });
  };

  return {
    write(bytes: Uint8Array): void {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + CHUNK - length);
        buffer.set(part, length);
        length += part.length;
        at += part.length;
        if (length === CHUNK) flush();
      }
      schedule();
    },
    flush,
  };
}

import type { Chardev } from "@tsvm/contracts";
import { createInputQueue } from "./input-queue.ts";

/** The far end of a serial cable held by a program: types into the guest and reads what it printed. */
export interface MemoryChardev extends Chardev {
  /** Sends text (as UTF-8) or bytes to the guest. */
  send(data: string | Uint8Array): void;
  /** Bytes sent that the guest has not read. */
  readonly unread: number;
  /** Takes the bytes the guest wrote since the last call. */
  takeOutput(): Uint8Array;
  /** Everything the guest wrote and `takeOutput` has not taken, as text (UTF-8; broken sequences become U+FFFD). */
  text(): string;
  /** Resolves when the output contains `text`; checks what is already there first. There is no timeout. */
  waitFor(text: string): Promise<void>;
}

/** An in-memory chardev for tests and for embedding a machine in a program. Keeps output until it is taken. */
export function createMemoryChardev(): MemoryChardev {
  const input = createInputQueue();
  const encoder = new TextEncoder();
  const waiting = new Set<{ readonly text: string; readonly resolve: () => void }>();
  let output: Uint8Array = new Uint8Array(4096);
  let length = 0;

  const grow = (needed: number): void => {
    if (needed <= output.length) return;
    const larger = new Uint8Array(Math.max(needed, output.length * 2));
    larger.set(output.subarray(0, length));
    output = larger;
  };

  const text = (): string => new TextDecoder().decode(output.subarray(0, length));

  // Searching the whole output on every byte would be quadratic: once per turn of the event loop.
  let checkScheduled = false;
  const check = (): void => {
    checkScheduled = false;
    const printed = text();
    for (const wait of [...waiting]) {
      if (!printed.includes(wait.text)) continue;
      waiting.delete(wait);
      wait.resolve();
    }
  };

  return {
    write(bytes: Uint8Array): void {
      grow(length + bytes.length);
      output.set(bytes, length);
      length += bytes.length;
      if (waiting.size === 0 || checkScheduled) return;
      checkScheduled = true;
      queueMicrotask(check);
    },
    read: (max: number) => input.read(max),
    onInput: (sink: () => void) => input.onInput(sink),
    send(data: string | Uint8Array): void {
      input.push(typeof data === "string" ? encoder.encode(data) : data.slice());
    },
    get unread(): number {
      return input.length;
    },
    takeOutput(): Uint8Array {
      const taken = output.slice(0, length);
      length = 0;
      return taken;
    },
    text,
    waitFor(wanted: string): Promise<void> {
      return new Promise((resolve) => {
        waiting.add({ text: wanted, resolve });
        check();
      });
    },
  };
}

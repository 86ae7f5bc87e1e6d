import type { Chardev, Disposable } from "@tsvm/contracts";

/** A {@link Chardev} whose two ends are strings (Latin-1: one character is one byte). */
export interface FakeChardev extends Chardev {
  /** Makes `text` available as input and, as the seam promises, tells the sink if the last read found too little. */
  feed(text: string): void;
  /** Everything written so far. */
  readonly output: string;
  /** Calls of `write` so far. */
  readonly writes: number;
  /** Input not yet taken. */
  readonly waiting: string;
}

export function createFakeChardev(): FakeChardev {
  let waiting = "";
  let output = "";
  let writes = 0;
  let hungry = true;
  const sinks = new Set<() => void>();

  return {
    write(bytes: Uint8Array): void {
      writes++;
      output += String.fromCharCode(...bytes);
    },
    read(max: number): Uint8Array {
      const taken = waiting.slice(0, max);
      waiting = waiting.slice(taken.length);
      hungry = taken.length < max;
      return Uint8Array.from(taken, (character) => character.charCodeAt(0));
    },
    onInput(sink: () => void): Disposable {
      sinks.add(sink);
      return { dispose: () => sinks.delete(sink) };
    },
    feed(text: string): void {
      waiting += text;
      if (!hungry) return;
      hungry = false;
      for (const sink of sinks) sink();
    },
    get output() {
      return output;
    },
    get writes() {
      return writes;
    },
    get waiting() {
      return waiting;
    },
  };
}

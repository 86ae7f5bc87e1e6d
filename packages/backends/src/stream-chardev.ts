import type { BufferedChardev } from "./buffered-chardev.ts";
import { createInputQueue, INPUT_LIMIT } from "./input-queue.ts";
import { createOutputBuffer } from "./output-buffer.ts";

/** What is used of a `stream.Readable`. */
export interface ByteSource {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: string, listener: (chunk: Uint8Array) => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** What is used of a `stream.Writable`. */
export interface ByteSink {
  write(chunk: Uint8Array, done: (error?: Error | null) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

/** A chardev over a pair of byte streams. */
export interface StreamChardevOptions {
  readonly input: ByteSource;
  readonly output: ByteSink;
  /** Input bytes held before `input` is paused; default {@link INPUT_LIMIT}. */
  readonly inputLimit?: number;
  /** Sees every chunk of input as it arrives and says what of it the guest gets. */
  readonly inputFilter?: (chunk: Uint8Array) => Uint8Array;
  /** `input` ended or failed; what it delivered before can still be read. */
  readonly onEnd?: () => void;
  /** `output` cannot be written any more, for example EPIPE: later output is discarded. Called once. */
  readonly onOutputLost?: (error: Error) => void;
}

/** Joins a guest's serial port to two streams of the host. `dispose` lets go of both and ends neither. */
export function createStreamChardev(options: StreamChardevOptions): BufferedChardev {
  const { input, output } = options;
  const queue = createInputQueue({
    limit: options.inputLimit ?? INPUT_LIMIT,
    onFull: () => void input.pause(),
    onRoom: () => void input.resume(),
  });
  const sink = createCountingSink(output, (error) => options.onOutputLost?.(error));
  const gathered = createOutputBuffer(sink.write);

  const onData = (chunk: Uint8Array): void => queue.push(options.inputFilter?.(chunk) ?? chunk);
  const onEnd = (): void => options.onEnd?.();
  input.on("data", onData);
  input.on("end", onEnd);
  input.on("error", onEnd);

  return {
    write: (bytes: Uint8Array) => gathered.write(bytes),
    read: (max: number) => queue.read(max),
    onInput: (listener: () => void) => queue.onInput(listener),
    get backlog(): number {
      return sink.backlog;
    },
    flush(): Promise<void> {
      gathered.flush();
      return sink.drained();
    },
    dispose(): void {
      gathered.flush();
      input.removeListener("data", onData);
      input.removeListener("end", onEnd);
      input.removeListener("error", onEnd);
      input.pause();
      sink.dispose();
    },
  };
}

interface CountingSink {
  readonly backlog: number;
  write(chunk: Uint8Array): void;
  drained(): Promise<void>;
  dispose(): void;
}

/** Counts what a writable stream has been given and has not taken, and survives its end. */
function createCountingSink(output: ByteSink, onLost: (error: Error) => void): CountingSink {
  let backlog = 0;
  let lost = false;
  let waiting: (() => void)[] = [];

  const settle = (): void => {
    if (backlog > 0 && !lost) return;
    const resolves = waiting;
    waiting = [];
    for (const resolve of resolves) resolve();
  };
  const lose = (error: Error): void => {
    if (lost) return;
    lost = true;
    backlog = 0;
    onLost(error);
    settle();
  };
  // Without a listener an EPIPE would be thrown as an uncaught exception.
  const onError = (error: Error): void => lose(error);
  const onClose = (): void => lose(new Error("stream closed"));
  output.on("error", onError);
  output.on("close", onClose);

  return {
    get backlog(): number {
      return backlog;
    },
    write(chunk: Uint8Array): void {
      if (lost) return;
      backlog += chunk.length;
      output.write(chunk, (error) => {
        if (lost) return;
        if (error) return lose(error);
        backlog -= chunk.length;
        settle();
      });
    },
    drained: () => new Promise((resolve) => (backlog > 0 && !lost ? waiting.push(resolve) : resolve())),
    dispose(): void {
      output.removeListener("close", onClose);
      // The error listener stays: a write still under way may fail after we let go, and nobody else would hear it.
    },
  };
}

import type { Disposable } from "@tsvm/contracts";
import type { BufferedChardev } from "./buffered-chardev.ts";
import { createInputQueue } from "./input-queue.ts";
import { createOutputBuffer } from "./output-buffer.ts";

/** What is used of a `MessagePort`, of browsers and of Node. */
export interface BytePort {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  start(): void;
  close(): void;
}

/** Takes what the guest wrote. A promise holds the rest back until it resolves: the reader sets the pace. */
export type PortSink = (bytes: Uint8Array) => Promise<void> | void;

/** The end of the line on the other side of a port. */
export interface PortConsole extends Disposable {
  /** Types bytes or text (as UTF-8) at the guest; all of it arrives, however much. */
  send(data: string | Uint8Array): void;
}

/**
 * A chardev whose host is the other side of a message port: a page, when the machine runs in a Worker. One chunk is under
 * way at a time, and what the guest writes meanwhile becomes the next: single characters come at once, floods in large
 * pieces. {@link connectPortConsole} is the other end.
 */
export function createPortChardev(port: BytePort): BufferedChardev {
  const input = createInputQueue();
  let waiting: Uint8Array[] = [];
  let backlog = 0;
  let underWay = 0;
  let drained = Promise.withResolvers<void>();
  let disposed = false;

  const sendWaiting = (): void => {
    if (underWay > 0 || waiting.length === 0) return;
    const chunk = joined(waiting);
    waiting = [];
    underWay = chunk.length;
    port.postMessage(chunk);
  };
  const gathered = createOutputBuffer((chunk) => {
    waiting.push(chunk);
    sendWaiting();
  });
  const forget = (count: number): void => {
    backlog -= count;
    if (backlog > 0) return;
    drained.resolve();
    drained = Promise.withResolvers<void>();
  };
  port.addEventListener("message", ({ data }) => {
    if (data instanceof Uint8Array) {
      input.push(data);
      return;
    }
    const taken = underWay;
    underWay = 0;
    forget(taken);
    sendWaiting();
  });
  port.start();

  return {
    write(bytes: Uint8Array): void {
      if (disposed) return;
      backlog += bytes.length;
      gathered.write(bytes);
    },
    read: (max: number) => input.read(max),
    onInput: (sink: () => void) => input.onInput(sink),
    get backlog(): number {
      return backlog;
    },
    async flush(): Promise<void> {
      gathered.flush();
      if (backlog > 0) await drained.promise;
    },
    dispose(): void {
      disposed = true;
      port.close();
      forget(backlog);
    },
  };
}

/** Connects the other side of the port of a {@link createPortChardev}. */
export function connectPortConsole(port: BytePort, sink: PortSink): PortConsole {
  const encoder = new TextEncoder();
  port.addEventListener("message", async ({ data }) => {
    await sink(data as Uint8Array);
    port.postMessage("taken");
  });
  port.start();
  return {
    send(data: string | Uint8Array): void {
      port.postMessage(typeof data === "string" ? encoder.encode(data) : data);
    },
    dispose: () => port.close(),
  };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

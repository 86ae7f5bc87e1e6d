import { PassThrough, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createStreamChardev } from "./stream-chardev.ts";

/** A pipe whose reader takes one chunk whenever `step` is called. */
function createSlowSink(): { readonly stream: Writable; readonly taken: Uint8Array[]; step(): void } {
  const taken: Uint8Array[] = [];
  let next: (() => void) | undefined;
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, done): void {
      taken.push(chunk);
      next = done;
    },
  });
  return {
    stream,
    taken,
    step: () => {
      const done = next;
      next = undefined;
      done?.();
    },
  };
}

test("gathers single bytes into one chunk a turn", async () => {
  const sink = createSlowSink();
  const chardev = createStreamChardev({ input: new PassThrough(), output: sink.stream });
  for (const byte of Buffer.from("hello")) chardev.write(Uint8Array.of(byte));
  expect(sink.taken).toHaveLength(0);
  await Promise.resolve();
  expect(sink.taken.map(String)).toEqual(["hello"]);
});

test("counts what the host has not taken, and flush waits for it", async () => {
  const sink = createSlowSink();
  const chardev = createStreamChardev({ input: new PassThrough(), output: sink.stream });
  chardev.write(new Uint8Array(100_000).fill(0x2e));
  let flushed = false;
  const flush = chardev.flush().then(() => {
    flushed = true;
  });
  expect(chardev.backlog).toBe(100_000);
  await turn();
  expect(flushed).toBe(false);
  while (chardev.backlog > 0) {
    sink.step();
    await turn();
  }
  await flush;
  expect(sink.taken.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(100_000);
});

test("a lost output is reported once, discards the rest and lets flush end", async () => {
  const lost: string[] = [];
  const output = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  const chardev = createStreamChardev({
    input: new PassThrough(),
    output,
    onOutputLost: (error) => lost.push(error.message),
  });
  chardev.write(Uint8Array.of(1));
  await chardev.flush();
  chardev.write(Uint8Array.of(2));
  await chardev.flush();
  await turn();
  expect(lost).toEqual(["write EPIPE"]);
  expect(chardev.backlog).toBe(0);
});

test("pauses the source at the limit, resumes it, and loses nothing", async () => {
  const input = new PassThrough({ highWaterMark: 64 });
  const chardev = createStreamChardev({ input, output: new PassThrough(), inputLimit: 256 });
  const sent = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
  const got: number[] = [];
  const writer = (async (): Promise<void> => {
    for (let at = 0; at < sent.length; at += 50) {
      if (!input.write(sent.subarray(at, at + 50))) await new Promise((resolve) => input.once("drain", resolve));
    }
  })();
  await turn();
  await turn();
  expect(input.isPaused()).toBe(true);
  while (got.length < sent.length) {
    got.push(...chardev.read(16));
    await turn();
  }
  await writer;
  expect(Buffer.from(got).equals(sent)).toBe(true);
});

test("reports the end of input, and what came before can be read", async () => {
  const input = new PassThrough();
  let ended = false;
  const chardev = createStreamChardev({
    input,
    output: new PassThrough(),
    onEnd: () => {
      ended = true;
    },
  });
  input.end("bye");
  await turn();
  await turn();
  expect(ended).toBe(true);
  expect(String(Buffer.from(chardev.read(10)))).toBe("bye");
});

test("dispose lets go of the source", async () => {
  const input = new PassThrough();
  const chardev = createStreamChardev({ input, output: new PassThrough() });
  chardev.dispose();
  expect(input.listenerCount("data")).toBe(0);
  expect(input.isPaused()).toBe(true);
});

import { setImmediate as turn } from "node:timers/promises";
import type { BufferedChardev } from "@tsvm/backends";
import { createMemoryChardev } from "@tsvm/backends";
import type { MachineHost } from "@tsvm/machine-pc";
import { expect, test } from "vitest";
import { paceByOutput } from "./output-pace.ts";

const host: MachineHost = {
  monotonicNs: () => 0,
  yieldToHost: () => Promise.resolve(),
  sleep: () => ({ done: Promise.resolve(), wake: () => {} }),
};
const never = (): Promise<void> => new Promise(() => {});

function createSlowReader(backlog: number): { readonly chardev: BufferedChardev; take(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const chardev = { ...createMemoryChardev(), backlog, flush: () => promise, dispose: () => {} };
  return { chardev, take: resolve };
}

async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await turn();
  return done;
}

test("a reader that keeps up costs nothing", async () => {
  const { chardev } = createSlowReader(1000);
  expect(await settled(paceByOutput(host, [chardev], never).yieldToHost())).toBe(true);
});

test("a guest is held until a slow reader has caught up", async () => {
  const { chardev, take } = createSlowReader(1_000_000);
  const held = paceByOutput(host, [chardev], never).yieldToHost();
  expect(await settled(held)).toBe(false);
  take();
  expect(await settled(held)).toBe(true);
});

test("a pause ends the wait for a reader that is stuck", async () => {
  const { chardev } = createSlowReader(1_000_000);
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = paceByOutput(host, [chardev], () => promise).yieldToHost();
  resolve();
  expect(await settled(held)).toBe(true);
});

test("without a buffered chardev the host stays as it is", () => {
  expect(paceByOutput(host, [createMemoryChardev()], never)).toBe(host);
});

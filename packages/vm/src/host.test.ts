import { expect, test } from "vitest";
import { createDefaultHost, type HostGlobals } from "./host.ts";

const timers = { setTimeout, clearTimeout } as HostGlobals;

test("time does not go back and passes", async () => {
  const host = createDefaultHost();
  const start = host.monotonicNs();
  await host.sleep(20).done;
  const passed = host.monotonicNs() - start;
  expect(passed).toBeGreaterThan(15e6);
  expect(passed).toBeLessThan(2e9);
});

test.each<[string, HostGlobals]>([
  ["setImmediate", { ...timers, setImmediate }],
  ["MessageChannel", { ...timers, MessageChannel: MessageChannel as never }],
  ["setTimeout", timers],
])("a turn by %s lets timers through", async (_name, globals) => {
  const host = createDefaultHost(globals);
  let fired = false;
  setTimeout(() => {
    fired = true;
  }, 0);
  const deadline = Date.now() + 5000;
  while (!fired && Date.now() < deadline) await host.yieldToHost();
  expect(fired).toBe(true);
});

test("an endless sleep ends when woken, and waking twice is harmless", async () => {
  const sleep = createDefaultHost().sleep(Number.POSITIVE_INFINITY);
  let over = false;
  void sleep.done.then(() => {
    over = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(over).toBe(false);
  sleep.wake();
  sleep.wake();
  await sleep.done;
});

test("where timers within timers are stretched, short sleeps one after another are not", async () => {
  let isInTimer = false;
  const stretched: boolean[] = [];
  /** A message is a task of its own: what is done in it is not done in a timer. */
  class Channel {
    readonly port1: { onmessage: (() => void) | null } = { onmessage: null };
    readonly port2 = {
      postMessage: () =>
        void setImmediate(() => {
          isInTimer = false;
          this.port1.onmessage?.();
        }),
    };
  }
  const globals: HostGlobals = {
    MessageChannel: Channel,
    clearTimeout,
    setTimeout(callback, ms) {
      stretched.push(isInTimer);
      return setTimeout(() => {
        isInTimer = true;
        callback();
      }, ms);
    },
  };
  const host = createDefaultHost(globals);
  for (let i = 0; i < 5; i++) await host.sleep(1).done;
  expect(stretched).toEqual([false, false, false, false, false]);
  const woken = host.sleep(1);
  woken.wake();
  await woken.done;
  await host.yieldToHost();
  expect(stretched).toHaveLength(5);
});

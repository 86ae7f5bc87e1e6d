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

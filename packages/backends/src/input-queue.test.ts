import { expect, test } from "vitest";
import { createInputQueue } from "./input-queue.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

test("keeps the order across chunks and answers in full while bytes wait", () => {
  const queue = createInputQueue();
  queue.push(bytes("ab"));
  queue.push(bytes("cdef"));
  queue.push(bytes("g"));
  expect(text(queue.read(1))).toBe("a");
  expect(text(queue.read(3))).toBe("bcd");
  expect(text(queue.read(100))).toBe("efg");
  expect(queue.read(100)).toHaveLength(0);
  expect(queue.length).toBe(0);
});

test("wakes the sink only when the last read came back short", () => {
  const queue = createInputQueue();
  let wakes = 0;
  queue.onInput(() => wakes++);
  queue.push(bytes("abcd"));
  expect(wakes).toBe(1);
  queue.read(2);
  queue.push(bytes("ef"));
  expect(wakes).toBe(1);
  queue.read(4); // exactly what waits: the consumer cannot know that nothing is left
  queue.push(bytes("g"));
  expect(wakes).toBe(1);
  queue.read(2);
  queue.push(bytes("h"));
  expect(wakes).toBe(2);
});

test("a consumer that reads until short never misses a byte", () => {
  const queue = createInputQueue();
  let got = "";
  queue.onInput(() => {
    for (;;) {
      const part = queue.read(3);
      got += text(part);
      if (part.length < 3) return;
    }
  });
  const sent = "the quick brown fox jumps over the lazy dog";
  for (let at = 0, size = 1; at < sent.length; at += size, size = (size % 7) + 1) {
    queue.push(bytes(sent.slice(at, at + size)));
  }
  expect(got).toBe(sent);
});

test("tells a late consumer about input that came before it", async () => {
  const queue = createInputQueue();
  queue.push(bytes("x"));
  let woken = false;
  queue.onInput(() => {
    woken = true;
  });
  expect(woken).toBe(false);
  await Promise.resolve();
  expect(woken).toBe(true);
});

test("a disposed sink is not called", async () => {
  const queue = createInputQueue();
  let wakes = 0;
  const subscription = queue.onInput(() => wakes++);
  queue.push(bytes("a"));
  subscription.dispose();
  queue.read(8);
  queue.push(bytes("b"));
  await Promise.resolve();
  expect(wakes).toBe(1);
});

test("asks the source to stop at the limit and to go on below half of it", () => {
  const calls: string[] = [];
  const queue = createInputQueue({
    limit: 10,
    onFull: () => calls.push("full"),
    onRoom: () => calls.push("room"),
  });
  queue.push(new Uint8Array(9));
  expect(calls).toEqual([]);
  queue.push(new Uint8Array(9));
  queue.push(new Uint8Array(1));
  expect(calls).toEqual(["full"]);
  queue.read(14); // 5 left: not yet below half
  expect(calls).toEqual(["full"]);
  queue.read(1);
  expect(calls).toEqual(["full", "room"]);
  queue.push(new Uint8Array(10));
  expect(calls).toEqual(["full", "room", "full"]);
});

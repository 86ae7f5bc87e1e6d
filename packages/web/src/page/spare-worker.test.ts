import { expect, test } from "vitest";
import { createSpareWorker } from "./spare-worker.ts";

function setUp() {
  const made: EventTarget[] = [];
  const spare = createSpareWorker(() => {
    made.push(new EventTarget());
    return made.at(-1) as Worker;
  });
  return { made, spare };
}

test("one is made ahead, and handed over once", () => {
  const { made, spare } = setUp();
  spare.prepare();
  spare.prepare();
  expect(made).toHaveLength(1);
  expect(spare.take()).toBe(made[0]);
  expect(spare.take()).toBe(made[1]);
});

test("one that fails before it is wanted is replaced, without a word", () => {
  const { made, spare } = setUp();
  spare.prepare();
  const failure = new Event("error", { cancelable: true });
  made[0]?.dispatchEvent(failure);
  expect(failure.defaultPrevented).toBe(true);
  expect(spare.take()).toBe(made[1]);
});

test("what becomes of one that was handed over is another's to hear", () => {
  const { made, spare } = setUp();
  spare.prepare();
  spare.take();
  spare.prepare();
  const failure = new Event("error", { cancelable: true });
  made[0]?.dispatchEvent(failure);
  expect(failure.defaultPrevented).toBe(false);
  expect(spare.take()).toBe(made[1]);
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { paceByPictures } from "./picture-pace.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Milliseconds until a piece of so many bytes is taken, by a terminal that needs `showMs` for it. */
async function takenAfter(bytes: number, showMs: number): Promise<number> {
  const show = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, showMs));
  const started = Date.now();
  const taken = paceByPictures(show)(new Uint8Array(bytes)).then(() => Date.now() - started);
  await vi.advanceTimersByTimeAsync(1000);
  return taken;
}

test("a piece is shown at once", async () => {
  const show = vi.fn(() => Promise.resolve());
  const taken = paceByPictures(show)(Uint8Array.of(0x61));
  expect(show).toHaveBeenCalledWith(Uint8Array.of(0x61));
  await vi.runAllTimersAsync();
  await taken;
});

test("the next may come 60 ms later, or when the terminal is ready", async () => {
  expect(await takenAfter(80, 1)).toBe(60);
  expect(await takenAfter(80, 70)).toBe(70);
});

test("a flood is taken as fast as the terminal takes it", async () => {
  expect(await takenAfter(16 * 1024, 5)).toBe(5);
});

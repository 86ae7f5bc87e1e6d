import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPicturePace, type PicturePace } from "./picture-pace.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The pace of a terminal that needs `showMs` for a piece. */
const paceOf = (showMs: number): PicturePace =>
  createPicturePace(() => new Promise((resolve) => setTimeout(resolve, showMs)));

/** Milliseconds until a piece of so many bytes is taken. */
async function takenAfter(pace: PicturePace, bytes: number): Promise<number> {
  const started = Date.now();
  const taken = pace.show(new Uint8Array(bytes)).then(() => Date.now() - started);
  await vi.advanceTimersByTimeAsync(500);
  return taken;
}

test("a piece is shown at once", async () => {
  const show = vi.fn(() => Promise.resolve());
  const taken = createPicturePace(show).show(Uint8Array.of(0x61));
  expect(show).toHaveBeenCalledWith(Uint8Array.of(0x61));
  await vi.runAllTimersAsync();
  await taken;
});

test("the next may come 100 ms later, or when the terminal is ready", async () => {
  expect(await takenAfter(paceOf(1), 80)).toBe(100);
  expect(await takenAfter(paceOf(170), 80)).toBe(170);
});

test("answers come as fast as the terminal shows them, for a second after the last key", async () => {
  const pace = paceOf(1);
  pace.noteInput();
  expect(await takenAfter(pace, 80)).toBe(1);
  expect(await takenAfter(pace, 80)).toBe(1);
  expect(await takenAfter(pace, 80)).toBe(100);
});

test("a flood is taken as fast as the terminal takes it", async () => {
  expect(await takenAfter(paceOf(5), 16 * 1024)).toBe(5);
});

import { expect, test } from "vitest";
import { FlatMemory, REGION_BYTES } from "./flat-memory.ts";

test("both regions hold what was stored, wherever they have grown to, and 0 elsewhere", () => {
  const memory = new FlatMemory();
  const places = [0, 4, 0xffc, 0x1000, 0x40_0000, 0x7ff_fffc].flatMap((at) => [at, at + REGION_BYTES]);
  for (const [i, at] of places.entries()) memory.store32(at, i + 1);
  expect(places.map((at) => memory.load32(at))).toEqual(places.map((_, i) => i + 1));
  memory.or32(4, 0x100);
  expect(memory.load32(4)).toBe(0x103);
  for (const at of [8, REGION_BYTES - 4, 2 * REGION_BYTES - 4, 2 * REGION_BYTES, 2 ** 45])
    expect(memory.load32(at)).toBe(0);
});

test("above the regions is a clear error", () => {
  const store = (): void => new FlatMemory().store32(2 * REGION_BYTES, 1);
  expect(store).toThrowError(expect.objectContaining({ code: "MMU_SIZE" }));
});

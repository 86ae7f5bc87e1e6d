import { expect, test } from "vitest";
import { SparseMemory } from "../test/sparse-memory.ts";
import { ACCESS_FETCH, ACCESS_KINDS, ACCESS_USER, createWalker } from "./index.ts";

test("linear addresses are physical, 32 bits wide, and every access is allowed", () => {
  const memory = new SparseMemory(-1);
  const walker = createWalker("bare", memory, { cr3: 0x5000, smep: true, smap: true, wp: true });
  expect(walker.walk(-1, -1, ACCESS_FETCH | ACCESS_USER)).toBe(true);
  expect(walker.gfn).toBe(0xf_ffff);
  expect(walker.permits).toBe(ACCESS_KINDS);
  expect(walker).toMatchObject({ user: true, dirty: true, global: false, pageShift: 12 });
  expect(memory.stores).toEqual([]);
});

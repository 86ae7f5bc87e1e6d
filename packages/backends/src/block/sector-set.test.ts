import { expect, it } from "vitest";
import { createSectorSet } from "./sector-set.ts";

it("knows what was added, and how far it goes", () => {
  const set = createSectorSet();
  set.add(32_760, 20);
  set.add(2 ** 40, 1);
  expect([32_759, 32_760, 32_779, 32_780, 2 ** 40].map((sector) => set.has(sector))).toEqual([
    false,
    true,
    true,
    false,
    true,
  ]);
  expect([
    set.runLength(0, 100),
    set.runLength(32_750, 100),
    set.runLength(32_760, 100),
    set.runLength(32_779, 5),
  ]).toEqual([100, 10, 20, 1]);
});

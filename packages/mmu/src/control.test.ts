import { expect, test } from "vitest";
import { pagingControlsOf, pagingModeOf } from "./index.ts";

const PG = 0x8000_0000;
test.each([
  ["bare", 0x1, 0x20, 0xd00],
  ["legacy32", PG | 1, 0x1010, 0x800],
  ["pae", PG | 1, 0x1020, 0x900],
  ["long4", (PG | 1) >>> 0, 0x20, 0x500],
  ["long5", PG | 1, 0x1020, 0x500],
] as const)("%s is chosen by PG, PAE, LMA and LA57", (mode, cr0, cr4, efer) => {
  expect(pagingModeOf(cr0, cr4, efer)).toBe(mode);
});

test.each([
  ["wp", 1 << 16, 0, 0],
  ["pse", 0, 1 << 4, 0],
  ["pge", 0, 1 << 7, 0],
  ["pcide", 0, 1 << 17, 0],
  ["smep", 0, 1 << 20, 0],
  ["smap", 0, 1 << 21, 0],
  ["nxe", 0, 0, 1 << 11],
] as const)("%s has its own bit", (name, cr0, cr4, efer) => {
  const none = pagingControlsOf(~cr0, ~cr4, ~efer);
  expect(Object.entries(none).filter(([, value]) => !value)).toEqual([[name, false]]);
  expect(Object.entries(pagingControlsOf(cr0, cr4, efer)).filter(([, value]) => value)).toEqual([[name, true]]);
});

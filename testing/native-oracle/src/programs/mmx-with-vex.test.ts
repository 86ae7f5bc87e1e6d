import { expect, it } from "vitest";
import { isMmxWithVex } from "./mmx-with-vex.ts";

it.each([
  ["c442000000", true], // pshufb mm, [r8]
  ["c442010000", false], // vpshufb xmm, [r8]
  ["c5f8fc07", true], // paddb
  ["65c5f8fc07", true],
  ["c5f9fc07", false],
  ["c4e2782101", false],
  ["c4e278f201", false], // andn
  ["c4e3780fc001", true], // palignr
  ["c5f877", false], // vzeroupper
  ["c5f810c0", false], // vmovups
  ["0ffcc0", false],
  ["66", false],
])("%s is of MMX with VEX: %s", (hex, expected) => {
  expect(isMmxWithVex(Buffer.from(hex, "hex"), true)).toBe(expected);
});

it("takes LDS and LES for themselves outside 64-bit code", () => {
  expect(isMmxWithVex(Buffer.from("c442000000", "hex"), false)).toBe(false);
  expect(isMmxWithVex(Buffer.from("c4c2780000", "hex"), false)).toBe(true);
});

import { expect, it } from "vitest";
import { isLockedInVain } from "./lockable.ts";

it.each([
  ["f00100", false], // lock add [rax], eax
  ["f001c0", true],
  ["f00300", true], // add eax, [rax]
  ["f03900", true], // cmp [rax], eax
  ["f0833801", true], // cmp dword [rax], 1
  ["f0830001", false],
  ["f0f718", false], // neg
  ["f0f720", true], // mul
  ["66f0ff00", false],
  ["f04883c00f", true],
  ["f0480fc708", false], // cmpxchg16b
  ["f00fba3001", false], // btr
  ["f00fba2001", true], // bt
  ["f057", true],
  ["57", false],
])("%s has LOCK in vain: %s", (hex, expected) => {
  expect(isLockedInVain(Buffer.from(hex, "hex"), true)).toBe(expected);
});

it("takes REX for INC and DEC outside 64-bit code", () => {
  expect(isLockedInVain(Buffer.from("f0480100", "hex"), true)).toBe(false);
  expect(isLockedInVain(Buffer.from("f0480100", "hex"), false)).toBe(true);
});

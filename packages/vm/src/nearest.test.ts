import { expect, test } from "vitest";
import { editDistance, nearest, suggest } from "./nearest.ts";

test.each([
  ["", "abc", 3],
  ["kernel", "kernel", 0],
  ["kernal", "kernel", 1],
  ["kenrel", "kernel", 1], // neighbours swapped
  ["kitten", "sitting", 3],
])("distance of %j and %j is %d", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test("finds the nearest, whatever its case", () => {
  const names = ["kernel", "initrd", "append", "m", "machine"];
  expect(nearest("kernal", names)).toBe("kernel");
  expect(nearest("APPEND", names)).toBe("append");
  expect(nearest("initramfs", names)).toBeUndefined();
});

test("completes a beginning only where it is clear", () => {
  expect(nearest("mach", ["machine", "append"])).toBe("machine");
  expect(nearest("nogr", ["nographic", "no-reboot"])).toBe("nographic");
  expect(nearest("no-", ["no-reboot", "no-shutdown"])).toBeUndefined();
});

test("suggests the nearest, else a short list, else nothing", () => {
  expect(suggest("ps", ["pc"])).toBe("; did you mean 'pc'?");
  expect(suggest("frobnicate", ["pc", "microvm"])).toBe("; known: 'pc', 'microvm'");
  expect(
    suggest(
      "x",
      "abcdefghij".split("").map((letter) => letter.repeat(9)),
    ),
  ).toBe("");
});

import { expect, test } from "vitest";
import { hasLongMode } from "./cpu-string.ts";

test.each([
  ["max", true],
  ["x86-64-v2,+x2apic", true],
  ["qemu64,-lm", false],
  ["qemu64,lm=off", false],
  ["max,-lm,+lm", true],
  ["486", false],
  ["486,+lm", true],
])("%s: 64-bit mode %s", (cpu, present) => {
  expect(hasLongMode(cpu)).toBe(present);
});

import { expect, test } from "vitest";
import { parseMemorySize } from "./memory-size.ts";

const MIB = 2 ** 20;

test.each([
  ["512", 512 * MIB],
  ["512M", 512 * MIB],
  ["512m", 512 * MIB],
  ["512MiB", 512 * MIB],
  ["1G", 1024 * MIB],
  ["1.5g", 1536 * MIB],
  ["2048k", 2 * MIB],
  ["0.001T", 1049 * MIB],
  ["1500k", 2 * MIB],
])("%s is %d bytes", (text, bytes) => {
  expect(parseMemorySize(text, "-m")).toBe(bytes);
});

test.each(["", "G", "-5", "512X", "1 G", "0x200", "1e3"])("%j is no size", (text) => {
  expect(() => parseMemorySize(text, "-m")).toThrow(`-m ${text}: not a size; write for example 512M or 1G`);
});

test.each(["0", "0.0G", "1"])("%j is too little", (text) => {
  expect(() => parseMemorySize(text, "-m")).toThrow(`-m ${text}: too little; at least 2M`);
});

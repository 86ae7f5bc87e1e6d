import { expect, test } from "vitest";
import { parseRunOptions } from "../src/run-options.ts";
import { findSuites } from "../src/suites.ts";

test("reads lists and files", () => {
  expect(parseRunOptions([".", "--only", "msr,pku", "--engines", "QEMU", "--out", "x.md"])).toEqual({
    folder: ".",
    only: ["msr", "pku"],
    engines: ["QEMU"],
    out: "x.md",
    logs: undefined,
  });
});

test("a folder is needed, one, and it has to be there", () => {
  expect(() => parseRunOptions([])).toThrow(/^no folder with built suites given; usage: suites FOLDER/);
  expect(() => parseRunOptions([".", ".."])).toThrow(/^one folder, please, not also \.\./);
  expect(() => parseRunOptions(["/nowhere/at/all"])).toThrow("/nowhere/at/all: no such folder");
});

test("an empty folder has no suites, and says which ones it could have", () => {
  expect(findSuites(import.meta.dirname, { withDevice: "1", withoutDevice: "0" })).toEqual({
    tests: [],
    missing: ["kvm-unit-tests", "kvm-unit-tests-i386", "test386", "xv6", "memtest86+", "kernels"],
  });
});

import { expect, test } from "vitest";
import { parseBenchOptions } from "../src/bench-options.ts";

test("without a word the whole suite is measured three times on both guests against both peers", () => {
  expect(parseBenchOptions([], { TSVM_GUESTS: "/guests" })).toEqual({
    folder: "/guests",
    guests: ["64", "32"],
    peers: ["qemu", "v86"],
    rows: [],
    percent: 100,
    rounds: 3,
    timeoutS: 900,
    output: undefined,
  });
});

test("the command line goes before the environment", () => {
  const argv = ["/mine", "--guests", "32", "--rows", "int,bb_sort", "--percent", "10", "--rounds=1", "--peers", "none"];
  expect(parseBenchOptions(argv, { TSVM_GUESTS: "/guests" })).toMatchObject({
    folder: "/mine",
    guests: ["32"],
    peers: [],
    rows: ["int", "bb_sort"],
    percent: 10,
    rounds: 1,
  });
});

test.each([
  [["--guests", "16"], '--guests: "16" is none of 64, 32'],
  [["--peers", "bochs"], '--peers: "bochs" is none of qemu, v86, chromium'],
  [["--percent", "0"], '--percent: "0" is no whole number from 1 to 100'],
  [["--rounds", "1.5"], '--rounds: "1.5" is no whole number from 1 to 99'],
  [["--rows", "int poweroff"], '--rows: "int poweroff" is no name of a row, as int or bb_sort are'],
  [["a", "b"], "one folder of guests is enough; b is one more"],
])("%j is refused in one line", (argv, message) => {
  expect(() => parseBenchOptions(argv, {})).toThrow(message);
});

test("unknown options are refused", () => {
  expect(() => parseBenchOptions(["--fast"], {})).toThrow("--fast");
});

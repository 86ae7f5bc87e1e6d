import { expect, test } from "vitest";
import { type Run, RunRecorder } from "../src/measure-run.ts";
import { reportText } from "../src/report.ts";
import { geometricMean, median, spread } from "../src/statistics.ts";
import { type Runs, summarize } from "../src/summary.ts";

const run = (bootS: number, rows: Record<string, number>, checksum = "ab", trouble: string[] = []): Run => ({
  bootS,
  rows: new Map(Object.entries(rows).map(([name, cpuS]) => [name, { cpuS, checksum }])),
  peakBytes: 300 << 20,
  trouble,
});

test("median, spread and geometric mean", () => {
  expect(median([])).toBeUndefined();
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(spread([5])).toBe(0);
  expect(spread([0.9, 1, 1.2])).toBeCloseTo(0.3);
  expect(geometricMean([])).toBeUndefined();
  expect(geometricMean([0.5, 2, 1])).toBeCloseTo(1);
  expect(geometricMean([0.25, 1])).toBeCloseTo(0.5);
});

test("a run's figures are differences of its clock", () => {
  let cpuS = 0;
  const recorder = new RunRecorder(() => cpuS);
  cpuS = 3;
  recorder.take({ kind: "ready" });
  recorder.take({ kind: "row-started", row: "int" });
  cpuS = 3.5;
  recorder.take({ kind: "row-done", row: "int", guestS: 9, checksum: "ab" });
  recorder.take({ kind: "row-done", row: "sieve", guestS: 9, checksum: "cd" });
  recorder.take({ kind: "finished" });
  expect(recorder.bootS).toBe(3);
  expect([...recorder.rows]).toEqual([["int", { cpuS: 0.5, checksum: "ab" }]]);
  expect(recorder.trouble).toEqual(["row sieve ended without having begun"]);
  expect(recorder.finished).toBe(true);
});

const runs: Runs = new Map([
  ["tsvm", [run(3, { int: 0.5, nbody: 0.2 }), run(4, { int: 0.6, nbody: 0.2 }), run(2, { int: 0.4, nbody: 0.2 })]],
  ["qemu", [run(2, { int: 1, nbody: 0.4 }), run(2, { int: 1, nbody: 0.4 }), run(2, { int: 1, nbody: 0.4 })]],
]);

test("ratios are of medians, and the mean leaves booting out", () => {
  const summary = summarize(runs);
  expect(summary.rows.map(({ name, ratios }) => [name, ratios.get("qemu")])).toEqual([
    ["boot", 1.5],
    ["int", 0.5],
    ["nbody", 0.5],
  ]);
  expect(summary.geometricMeans.get("qemu")).toBeCloseTo(0.5);
  expect(summary.trouble).toEqual([]);
});

test("the table says for each row what was to be reached", () => {
  const text = reportText("64", summarize(runs), [["machine", "a test"]], { percent: 10, rounds: 3 });
  expect(text).toContain("# Guest suite, 64-bit with 10 % of the work\n");
  expect(text).toContain("- machine: a test\n");
  expect(text.split("\n").filter((line) => line.startsWith("|"))).toEqual([
    "| row | tsvm, s | QEMU, s | / QEMU | target |",
    "| --- | ---: | ---: | ---: | ---: |",
    "| boot | 3.000 ±33 % | 2.000 ±0 % | 1.50 | ≤ 1.5 met |",
    "| int | 0.500 ±20 % | 1.000 ±0 % | 0.50 | ≤ 2 met |",
    "| nbody | 0.200 ±0 % | 0.400 ±0 % | 0.50 | ≤ 0.3 **missed** |",
    "| **geometric mean** |  |  | 0.50 | ≤ 0.8 met |",
    "| peak RSS, MiB | 300 | 300 |  | ≤ 862 met |",
  ]);
});

test("against v86 every row has a target, and QEMU beside it has none on 32 bits", () => {
  const both: Runs = new Map([...runs, ["v86", [run(10, { int: 0.4, nbody: 1 })]]]);
  const text = reportText("32", summarize(both), [], { percent: 100, rounds: 3 });
  expect(text).toContain("| int | 0.500 ±20 % | 1.000 ±0 % | 0.400 ±0 % | 0.50 |  | 1.25 | ≤ 1 **missed** |");
  expect(text).toContain("| boot | 3.000 ±33 % | 2.000 ±0 % | 10.000 ±0 % | 1.50 |  | 0.30 | ≤ 0.4 met |");
});

test("failures and checksums that differ are trouble", () => {
  const summary = summarize(
    new Map([
      ["tsvm", [run(1, { int: 1 }, "ab"), run(1, {}, "ab", ["not finished after 9 s"])]],
      ["qemu", [run(1, { int: 1 }, "cd")]],
    ]),
  );
  expect(summary.trouble).toEqual([
    "tsvm, round 2: not finished after 9 s",
    "int: checksums differ: ab (tsvm), cd (qemu)",
  ]);
  expect(reportText("64", summary, [], { percent: 100, rounds: 2 })).toContain("**Trouble**");
});

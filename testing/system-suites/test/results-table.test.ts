import { expect, test } from "vitest";
import { type Result, resultsTable } from "../src/results-table.ts";

const result = (passed: number, ...failures: string[]): Result => ({ passed, skipped: 0, failures, seconds: 1.25 });

test("shows counts by engine, sums by suite, and failures in words", () => {
  const rows = [
    {
      suite: "kut",
      name: "msr",
      results: new Map([
        ["a", result(3)],
        ["b", result(2, "not `this`")],
      ]),
    },
    { suite: "kut", name: "pku", results: new Map([["a", result(4)]]) },
  ];
  expect(resultsTable(rows, ["a", "b"]).split("\n")).toEqual([
    "| suite | test | a | b |",
    "|---|---|---|---|",
    "| kut | msr | 3 pass (1.3 s) | 2 pass, **1 fail** (1.3 s) |",
    "| kut | pku | 4 pass (1.3 s) |  |",
    "| **kut** | all | 7 pass (2.5 s) | 2 pass, **1 fail** (1.3 s) |",
    "",
    "## What failed",
    "",
    "- kut, msr, b",
    "  - `not 'this'`",
    "",
  ]);
});

test("says so when nothing failed, and does not tell thousands", () => {
  expect(resultsTable([], ["a"])).toContain("Nothing.");
  const many = Array.from({ length: 100 }, (_, i) => `failure ${i}`);
  const text = resultsTable([{ suite: "s", name: "n", results: new Map([["a", result(0, ...many)]]) }], ["a"]);
  expect(text).toContain("  - and 88 more");
});

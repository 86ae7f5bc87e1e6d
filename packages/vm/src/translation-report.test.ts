import { expect, test } from "vitest";
import { translationText } from "./translation-report.ts";

const lines = (counters: Readonly<Record<string, number>>): string[] =>
  translationText(counters)
    .split("\n")
    .map((line) => line.trim().replace(/ +/g, " "));

test("causes of side exits come by their frequency, with their shares", () => {
  const text = lines({
    "sideExits.readMiss": 10,
    "sideExits.cpuid": 30,
    "sideExits.#DE": 0,
    regionsMade: 2,
    regionBytes: 9,
  });
  const first = text.indexOf("side exits");
  expect(text.slice(first, first + 5)).toEqual([
    "side exits",
    "all 40",
    "cpuid 30 75.0 %",
    "readMiss 10 25.0 %",
    "#DE 0 0.0 %",
  ]);
  expect(text).toContain("bytes 9 5 a region");
});

test("hits are shown only where they were counted", () => {
  expect(lines({ tlbMisses: 3 })).toContain("misses 3");
  expect(translationText({ tlbMisses: 3 })).not.toContain("hits");
  expect(lines({ regionTlbHits: 4 })).toContain("hits of regions 4");
});

test("a machine that has translated nothing has no shares", () => {
  expect(translationText({})).not.toContain("NaN");
});

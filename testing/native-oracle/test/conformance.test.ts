import { describe, expect, test } from "vitest";
import { corpusFamilies, readFamily } from "../src/corpus.ts";
import { replayGroup } from "../src/replay.ts";
import { failureTable } from "../src/report.ts";
import { createTcgEngine } from "../src/tcg-engine.ts";

/** All families together take ten seconds; a busy machine may take longer. */
const TIMEOUT_MS = 180_000;

const engine = createTcgEngine();

describe("every instruction does what the host's CPU did", () => {
  test.each(corpusFamilies())("%s", { timeout: TIMEOUT_MS }, (family) => {
    expect(failureTable(readFamily(family).map((group) => replayGroup(engine, group)))).toBe("");
  });
});

import { runFuzzCampaign } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { fuzzVirtqueues } from "../fuzz/virtqueues.ts";

/** Seeds that once found something stay here for ever. */
const FOUND: readonly number[] = [];

it.each(FOUND)("seed %i finds nothing any more", async (seed) => {
  await fuzzVirtqueues(seed);
});

it("a hostile driver stops its own device and nothing else", async () => {
  const report = await runFuzzCampaign(fuzzVirtqueues, { firstSeed: 1, accesses: 60_000 });
  // Both kinds of outcome, or the rings were not of the kind that tests anything.
  expect(report.counts["stops"]).toBeGreaterThan(300);
  expect(report.counts["answers"]).toBeGreaterThan(300);
});

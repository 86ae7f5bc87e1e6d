import { describe, test } from "vitest";
import { FUZZ_CASES } from "../fuzz/cases.ts";

// `pnpm --filter @tsvm/mmu fuzz` goes on for as long as it is let.
const SEEDS = 60;

describe.each(Object.entries(FUZZ_CASES))("%s", (_name, run) => {
  test(`${SEEDS} seeds`, () => {
    for (let seed = 0; seed < SEEDS; seed++) run(seed);
  });
});

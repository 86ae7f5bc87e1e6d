import { fuzzHost } from "./host.ts";
import { fuzzTraces } from "./traces.ts";
import { fuzzWalkers } from "./walkers.ts";

/** Every kind of input that others make: each takes a seed, and throws if something is not as it must be. */
export const FUZZ_CASES: Readonly<Record<string, (seed: number) => void>> = {
  walkers: fuzzWalkers,
  host: fuzzHost,
  traces: fuzzTraces,
};

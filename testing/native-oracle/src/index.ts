export { type CompareOptions, compareOutcomes, type Difference, describeException } from "./compare.ts";
export { corpusFamilies, readFamily } from "./corpus.ts";
export type { CpuState } from "./cpu-state.ts";
export { type Failure, type GroupResult, replayGroup } from "./replay.ts";
export * from "./vector.ts";
export type { VectorGroup } from "./vector-file.ts";

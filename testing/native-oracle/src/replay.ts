import { type CompareOptions, compareOutcomes, type Difference } from "./compare.ts";
import { formLabel, type Vector, type VectorEngine, type VectorOutcome } from "./vector.ts";
import type { VectorGroup } from "./vector-file.ts";

/** A vector an engine got wrong, or could not run at all. */
export interface Failure {
  readonly vector: Vector;
  readonly differences: readonly Difference[];
  readonly expected: VectorOutcome;
  readonly actual: VectorOutcome | undefined;
}

/** Result of one form. */
export interface GroupResult {
  readonly label: string;
  readonly run: number;
  readonly failures: readonly Failure[];
}

/** Runs the vectors of `group` that `accept` wants; an engine that throws has failed that vector. */
export function replayGroup(
  engine: VectorEngine,
  group: VectorGroup,
  options: CompareOptions = {},
  accept: (vector: Vector) => boolean = () => true,
): GroupResult {
  const vectors = group.vectors.filter(accept);
  const failures: Failure[] = [];
  for (const vector of vectors) {
    const failure = replayVector(engine, vector, options);
    if (failure) failures.push(failure);
  }
  return { label: formLabel(group.form), run: vectors.length, failures };
}

function replayVector(engine: VectorEngine, vector: Vector, options: CompareOptions): Failure | undefined {
  const expected = vector.expected();
  let actual: VectorOutcome;
  try {
    actual = engine.run(vector);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      vector,
      expected,
      actual: undefined,
      differences: [{ field: "engine", expected: "an outcome", actual: message }],
    };
  }
  const differences = compareOutcomes(vector, expected, actual, options);
  return differences.length > 0 ? { vector, differences, expected, actual } : undefined;
}

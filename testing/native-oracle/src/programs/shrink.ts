import type { Bytes } from "../vector.ts";
import { type Piece, type Program, withoutPieces } from "./program.ts";

/** Which of several programs fail: many at once, since some engines take longer to start than to run them. */
export type FailsOf = (candidates: readonly Program[]) => readonly boolean[];

/**
 * A smaller program that fails still: as many pieces as possible become NOPs, and patches go. Pieces are tried in halves,
 * quarters and so on, until none can be spared.
 */
export function shrinkProgram(program: Program, failsOf: FailsOf): Program {
  let best = program;
  let size = best.pieces.length;
  while (size >= 1) {
    const slices = Array.from({ length: Math.ceil(best.pieces.length / size) }, (_, i) =>
      best.pieces.slice(i * size, (i + 1) * size),
    );
    const smaller = spare(best, slices, withoutAll, failsOf);
    // What was needed may have been needed for what is gone now.
    size = smaller !== best && size === 1 ? smaller.pieces.length : size >> 1;
    best = smaller;
  }
  return spare(best, best.patches, withoutPatches, failsOf);
}

const withoutAll = (program: Program, slices: readonly (readonly Piece[])[]): Program =>
  withoutPieces(program, slices.flat());

const withoutPatches = (program: Program, patches: readonly Bytes[]): Program => ({
  ...program,
  patches: program.patches.filter((patch) => !patches.includes(patch)),
});

/** `program` without as many of `units` as can be spared: first those that can each alone, together if that will do. */
function spare<T>(
  program: Program,
  units: readonly T[],
  without: (program: Program, units: readonly T[]) => Program,
  failsOf: FailsOf,
): Program {
  if (units.length === 0) return program;
  const verdicts = failsOf(units.map((unit) => without(program, [unit])));
  const spareable = units.filter((_, i) => verdicts[i]);
  if (spareable.length === 0) return program;
  const smallest = without(program, spareable);
  if (spareable.length === 1 || failsOf([smallest])[0]) return smallest;
  const half = spareable.length >> 1;
  const smaller = spare(program, spareable.slice(0, half), without, failsOf);
  return spare(smaller, spareable.slice(half), without, failsOf);
}

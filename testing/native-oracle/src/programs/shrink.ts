import { type Program, withoutPieces } from "./program.ts";

/**
 * A smaller program that `fails` still: as many pieces as possible become NOPs, and patches go. Pieces are tried in halves,
 * quarters and so on, until none can be spared.
 */
export function shrinkProgram(program: Program, fails: (smaller: Program) => boolean): Program {
  let best = program;
  let spared = true;
  while (spared) {
    spared = false;
    for (let size = best.pieces.length; size >= 1; size = size >> 1) {
      for (let at = 0; at < best.pieces.length; ) {
        const smaller = withoutPieces(best, best.pieces.slice(at, at + size));
        if (fails(smaller)) {
          best = smaller;
          spared = true;
        } else at += size;
      }
    }
  }
  return shrinkPatches(best, fails);
}

function shrinkPatches(program: Program, fails: (smaller: Program) => boolean): Program {
  let best = program;
  for (const patch of program.patches) {
    const smaller = { ...best, patches: best.patches.filter((other) => other !== patch) };
    if (fails(smaller)) best = smaller;
  }
  return best;
}

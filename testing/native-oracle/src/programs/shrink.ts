import type { Piece, Program } from "./program.ts";

const NOP = 0x90;

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

function withoutPieces(program: Program, pieces: readonly Piece[]): Program {
  const code = program.code.slice();
  for (const { offset, length } of pieces) code.fill(NOP, offset, offset + length);
  return { ...program, code, pieces: program.pieces.filter((piece) => !pieces.includes(piece)) };
}

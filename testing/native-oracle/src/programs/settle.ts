import type { ResumedFault } from "../native-harness.ts";
import { createRandom } from "../random.ts";
import { FIRST_SLOT, type Piece, type Program, withoutPieces } from "./program.ts";

const ROUNDS = 3;

/**
 * The program with most of what faults in it taken out, so that it goes round its loops instead of from fault to fault. Every
 * fault looked for costs a run by `faultsOf`; a few stay, since regions must get those right, too.
 */
export function settleProgram(
  program: Program,
  faultsOf: (program: Program) => readonly ResumedFault[] | undefined,
): Program {
  const random = createRandom(program.seed);
  const kept = new Set<Piece>();
  let settled = program;
  for (let round = 0; round < ROUNDS; round++) {
    const faulting = new Set<Piece>();
    for (const { rip } of faultsOf(settled) ?? []) {
      const piece = pieceAt(settled, rip);
      if (piece !== undefined && !kept.has(piece)) faulting.add(piece);
    }
    const removed = [...faulting].filter((piece) => {
      const stays = random.oneIn(10);
      if (stays) kept.add(piece);
      return !stays;
    });
    if (removed.length === 0) break;
    settled = withoutPieces(settled, removed);
  }
  return settled;
}

function pieceAt({ environment, pieces }: Program, rip: bigint): Piece | undefined {
  const base = environment.codeBits === 64 ? 0 : environment.segments.cs.base;
  const at = Number(rip) + base - FIRST_SLOT;
  return pieces.find(({ offset, length }) => at >= offset && at < offset + length);
}

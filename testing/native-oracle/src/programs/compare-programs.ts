/** What two engines made of one program. */

import { compareOutcomes, type Difference } from "../compare.ts";
import { FXSAVE } from "../cpu-state.ts";
import type { ProgramOutcome, ResumedFault } from "../native-harness.ts";
import { inputOf, type Program } from "./program.ts";
import type { EngineOutcome } from "./program-engine.ts";

/** C0 to C3 of the status word: mostly undefined, and programs do not look. */
const CONDITION_BITS = 0x4700;
const NAMED = ["vector", "error", "CR2", "rip"] as const;

/** Differences from what the host's CPU did, first those that came first. */
export function compareWithHost(program: Program, host: ProgramOutcome, ours: ProgramOutcome): readonly Difference[] {
  return [...compareFaults(host, ours), ...compareOutcomes(inputOf(program), cleared(host), cleared(ours))];
}

/** Differences between engines of ours: everything counts, and instructions are as many. */
export function compareEngines(program: Program, a: EngineOutcome, b: EngineOutcome): readonly Difference[] {
  const differences = [...compareFaults(a, b), ...compareOutcomes(inputOf(program), a, b, { strict: true })];
  if (a.instructions === b.instructions) return differences;
  return [...differences, { field: "instructions", expected: String(a.instructions), actual: String(b.instructions) }];
}

/** What went on from faults. */
interface Faulted {
  readonly faults: readonly ResumedFault[];
}

/** The first fault that differs. */
export function compareFaults({ faults: a }: Faulted, { faults: b }: Faulted): readonly Difference[] {
  const texts = [a.map(describeFault), b.map(describeFault)] as const;
  const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find((i) => texts[0][i] !== texts[1][i]);
  if (at === undefined) return [];
  const [expected = "none", actual = "none"] = [texts[0][at], texts[1][at]];
  return [{ field: `fault ${at}`, expected, actual }];
}

function describeFault({ vector, errorCode, cr2, rip }: ResumedFault): string {
  return [vector, errorCode, cr2, rip].map((value, i) => `${NAMED[i]} ${value.toString(16)}`).join(" ");
}

function cleared(outcome: ProgramOutcome): ProgramOutcome {
  const fxsave = outcome.state.fxsave.slice();
  const image = new DataView(fxsave.buffer);
  image.setUint16(FXSAVE.fsw, image.getUint16(FXSAVE.fsw, true) & ~CONDITION_BITS, true);
  // IRET to user code clears a null selector's privilege level, and the host is interrupted where it likes.
  const selectors = outcome.state.selectors.map((selector) => (selector < 4 ? 0 : selector));
  return { ...outcome, state: { ...outcome.state, fxsave, selectors } };
}

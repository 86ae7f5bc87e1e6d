import { describe, expect, test } from "vitest";
import { corpusFamilies, readFamily } from "../src/corpus.ts";
import { type GroupResult, replayGroup } from "../src/replay.ts";
import { failureTable } from "../src/report.ts";
import { createTcgEngine } from "../src/tcg-engine.ts";
import { formLabel } from "../src/vector.ts";
import { OTHER_MEANING, UNIMPLEMENTED } from "./unimplemented.ts";

const INVALID_OPCODE = 6;
/** All families together take a few seconds; a busy machine may take longer. */
const TIMEOUT_MS = 120_000;

/** Every difference of the form is that the engine does not know the opcode. */
function isUnimplemented({ failures }: GroupResult): boolean {
  return failures.length > 0 && failures.every(({ actual }) => actual?.exception?.vector === INVALID_OPCODE);
}

describe("every instruction does what the host's CPU did", () => {
  const engine = createTcgEngine();
  test.each(corpusFamilies())("%s", { timeout: TIMEOUT_MS }, (family) => {
    const results = readFamily(family)
      .filter(({ form }) => !OTHER_MEANING.has(formLabel(form)))
      .map((group) => replayGroup(engine, group));
    const missing = results.filter(isUnimplemented);
    const wrong = results.filter((result) => result.failures.length > 0 && !missing.includes(result));
    expect(failureTable(wrong)).toBe("");
    expect(missing.map(({ label }) => label)).toEqual(UNIMPLEMENTED[family] ?? []);
  });
});

import { describe, expect, test } from "vitest";
import { corpusFamilies, readFamily } from "../src/corpus.ts";
import { type GroupResult, replayGroup } from "../src/replay.ts";
import { failureTable } from "../src/report.ts";
import { createTcgEngine } from "../src/tcg-engine.ts";

const INVALID_OPCODE = 6;
/** All families together take ten seconds; a busy machine may take longer. */
const TIMEOUT_MS = 180_000;

const engine = createTcgEngine();
const replayed = new Map<string, readonly GroupResult[]>();

function replayFamily(family: string): readonly GroupResult[] {
  const results = replayed.get(family) ?? readFamily(family).map((group) => replayGroup(engine, group));
  replayed.set(family, results);
  return results;
}

/** Every difference of the form is that the engine does not know the opcode. */
function isUnimplemented({ failures }: GroupResult): boolean {
  return failures.length > 0 && failures.every(({ actual }) => actual?.exception?.vector === INVALID_OPCODE);
}

describe("every instruction does what the host's CPU did", () => {
  test.each(corpusFamilies())("%s", { timeout: TIMEOUT_MS }, (family) => {
    expect(failureTable(replayFamily(family).filter((result) => !isUnimplemented(result)))).toBe("");
  });
});

// What is missing raises #UD and nothing else. The list only ever shrinks: `vitest run -u` takes off what was added.
test("the forms that are not implemented are the ones listed", { timeout: TIMEOUT_MS }, async () => {
  const lines = corpusFamilies().flatMap((family) =>
    replayFamily(family)
      .filter(isUnimplemented)
      .map(({ label }) => `${family}: ${label}\n`),
  );
  await expect(lines.join("")).toMatchFileSnapshot("unimplemented.txt");
});

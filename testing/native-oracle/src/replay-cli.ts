/**
 * Replays the corpus on an engine and says what differs: the tool to debug a CPU with.
 *
 *   node --conditions=@tsvm/source src/replay-cli.ts --filter '^.* ADD ' --verbose
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { corpusFamilies, readFamily } from "./corpus.ts";
import { FAMILIES } from "./forms/all-forms.ts";
import type { Form } from "./forms/form.ts";
import { generateVectors } from "./generate/generate.ts";
import { createHostEngine } from "./host-engine.ts";
import { runOnHost } from "./native-harness.ts";
import { type GroupResult, replayGroup } from "./replay.ts";
import { ReplayCounts } from "./replay-counts.ts";
import { describeFailure, failureTable } from "./report.ts";
import { formLabel, type Vector, type VectorEngine } from "./vector.ts";
import type { VectorGroup } from "./vector-file.ts";

const USAGE = `replay [options]
  --engine tcg|regions|host  what runs the vectors: the interpreter, a region for each, this CPU (tcg)
  --family NAME       alu, shift, ...; may be repeated (all)
  --filter REGEX      forms whose line matches, e.g. 'ADD E', '^0F AF', ignoring case
  --mode 16|32|64|16/ss32|32/ss16
  --seed N            only vectors of this seed
  --only FIELD        only failures whose first difference is FIELD: rflags, exception, memory, rax, ...
  --verbose           every failure in full, at most --max a form
  --max N             (3)
  --strict            undefined flags too
  --fresh SALT        not the corpus but new vectors, any word for others, recorded now (Linux, x86-64, gcc)
  --at-least N        further rounds with other salts for forms that have fewer vectors so far (1)
  --table FILE        counts by family and mode, as Markdown
  --list              forms and vector counts, nothing is run`;

const { values: options } = parseArgs({
  options: {
    engine: { type: "string", default: "tcg" },
    family: { type: "string", multiple: true },
    filter: { type: "string", default: "" },
    mode: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
    max: { type: "string", default: "3" },
    strict: { type: "boolean", default: false },
    fresh: { type: "string" },
    "at-least": { type: "string", default: "1" },
    table: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function accept({ environment, seed }: Vector): boolean {
  if (options.mode !== undefined && environment.name !== options.mode) return false;
  return options.seed === undefined || seed === Number(options.seed);
}

const wanted = new RegExp(options.filter, "i");

function selectGroups(family: string): readonly VectorGroup[] {
  if (options.fresh === undefined) return readFamily(family).filter(({ form }) => wanted.test(formLabel(form)));
  return recordFresh(formsOf(family), options.fresh);
}

function formsOf(family: string): readonly Form[] {
  return (FAMILIES[family] ?? []).filter((form) => wanted.test(formLabel(form)));
}

/** New vectors of `forms` with what the host's CPU does right now. */
function recordFresh(forms: readonly Form[], salt: string): readonly VectorGroup[] {
  const inputs = forms.map((form) => generateVectors(form, salt));
  const outcomes = runOnHost(inputs.flat());
  let at = 0;
  return forms.map((form, i) => {
    const vectors = (inputs[i] ?? []).flatMap((input): Vector[] => {
      const outcome = outcomes[at++];
      return outcome ? [{ ...input, expected: () => outcome }] : [];
    });
    return { form, vectors };
  });
}

let ours: VectorEngine | undefined;

async function createEngine(groups: readonly VectorGroup[]): Promise<VectorEngine> {
  if (options.engine === "host") return createHostEngine(groups.flatMap(({ vectors }) => vectors));
  const { createTcgEngine } = await import("./tcg-engine.ts");
  ours ??= createTcgEngine(options.engine === "regions" ? { heatLimit: 1 } : {});
  return ours;
}

function keepOnly(result: GroupResult): GroupResult {
  if (options.only === undefined) return result;
  return { ...result, failures: result.failures.filter(({ differences }) => differences[0]?.field === options.only) };
}

function printFailures(results: readonly GroupResult[]): void {
  for (const { label, run, failures } of results) {
    if (failures.length === 0) continue;
    console.log(`\n${label}: ${failures.length} of ${run} fail`);
    for (const failure of failures.slice(0, Number(options.max))) console.log(describeFailure(failure));
  }
}

async function main(): Promise<void> {
  const counts = new ReplayCounts();
  for (const family of options.family ?? corpusFamilies()) {
    let groups = selectGroups(family);
    if (options.list) {
      list(groups);
      continue;
    }
    for (let round = 1; groups.length > 0; round++) {
      await replay(family, groups, counts);
      const few = options.fresh === undefined ? [] : counts.below(Number(options["at-least"]), formsOf(family));
      groups = recordFresh(few, `${options.fresh}${round}`);
    }
  }
  if (options.list) return;
  console.log(counts.summary());
  if (options.table !== undefined) writeFileSync(options.table, counts.table());
  if (counts.failed > 0) process.exitCode = 1;
}

function list(groups: readonly VectorGroup[]): void {
  for (const { form, vectors } of groups) console.log(`${formLabel(form).padEnd(40)} ${vectors.filter(accept).length}`);
}

async function replay(family: string, groups: readonly VectorGroup[], counts: ReplayCounts): Promise<void> {
  const engine = await createEngine(groups);
  const results = groups.map((group) => keepOnly(replayGroup(engine, group, { strict: options.strict }, accept)));
  for (const [i, { vectors }] of groups.entries())
    counts.add(family, vectors.filter(accept), results[i] as GroupResult);
  if (options.verbose) printFailures(results);
  else if (results.some(({ failures }) => failures.length > 0)) console.log(failureTable(results));
}

if (options.help) console.log(USAGE);
else await main();

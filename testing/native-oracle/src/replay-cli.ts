/**
 * Replays the corpus on an engine and says what differs: the tool to debug a CPU with.
 *
 *   node --conditions=@tsvm/source src/replay-cli.ts --filter '^.* ADD ' --verbose
 */
import { parseArgs } from "node:util";
import { corpusFamilies, readFamily } from "./corpus.ts";
import { FAMILIES } from "./forms/all-forms.ts";
import { generateVectors } from "./generate/generate.ts";
import { createHostEngine } from "./host-engine.ts";
import { runOnHost } from "./native-harness.ts";
import { type GroupResult, replayGroup } from "./replay.ts";
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
  --rounds N          as often with other salts: 12 give every form 200 vectors and more (1)
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
    rounds: { type: "string", default: "1" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function accept({ environment, seed }: Vector): boolean {
  if (options.mode !== undefined && environment.name !== options.mode) return false;
  return options.seed === undefined || seed === Number(options.seed);
}

const wanted = new RegExp(options.filter, "i");

function selectGroups(round: string): readonly VectorGroup[] {
  const families = options.family ?? corpusFamilies();
  if (options.fresh !== undefined) return recordFresh(families, `${options.fresh}${round}`);
  return families.flatMap(readFamily).filter(({ form }) => wanted.test(formLabel(form)));
}

/** New vectors of the chosen forms with what the host's CPU does right now. */
function recordFresh(families: readonly string[], salt: string): readonly VectorGroup[] {
  const forms = families.flatMap((family) => FAMILIES[family] ?? []).filter((form) => wanted.test(formLabel(form)));
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

async function createEngine(groups: readonly VectorGroup[]): Promise<VectorEngine> {
  if (options.engine === "host") return createHostEngine(groups.flatMap(({ vectors }) => vectors));
  const { createTcgEngine } = await import("./tcg-engine.ts");
  return createTcgEngine(options.engine === "regions" ? { heatLimit: 1 } : {});
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
  const rounds = options.fresh === undefined ? 1 : Number(options.rounds);
  for (let round = 1; round <= rounds; round++) await replay(rounds === 1 ? "" : String(round));
}

async function replay(round: string): Promise<void> {
  const groups = selectGroups(round);
  if (options.list) {
    for (const { form, vectors } of groups)
      console.log(`${formLabel(form).padEnd(40)} ${vectors.filter(accept).length}`);
    return;
  }
  const engine = await createEngine(groups);
  const start = performance.now();
  const results = groups.map((group) => keepOnly(replayGroup(engine, group, { strict: options.strict }, accept)));
  const seconds = (performance.now() - start) / 1000;
  if (options.verbose) printFailures(results);
  else if (results.some(({ failures }) => failures.length > 0)) console.log(failureTable(results));
  const run = results.reduce((sum, result) => sum + result.run, 0);
  const failed = results.reduce((sum, { failures }) => sum + failures.length, 0);
  const forms = results.filter(({ failures }) => failures.length > 0).length;
  console.log(
    `${engine.name}: ${run - failed} of ${run} vectors agree; ${forms} of ${results.length} forms differ; ${seconds.toFixed(1)} s`,
  );
  if (failed > 0) process.exitCode = 1;
}

if (options.help) console.log(USAGE);
else await main();

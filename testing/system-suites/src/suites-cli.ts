// Runs the system-level suites that somebody fetched and built, on every engine, and writes the counts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, findEngines } from "./engines.ts";
import type { Environments } from "./kvm-unit-tests.ts";
import { type Result, type ResultRow, resultsTable } from "./results-table.ts";
import { runGuest } from "./run-guest.ts";
import { parseRunOptions, type RunOptions } from "./run-options.ts";
import { findSuites } from "./suites.ts";
import type { TestCase } from "./test-case.ts";

async function main(): Promise<void> {
  const options = parseRunOptions(process.argv.slice(2));
  const scratch = mkdtempSync(join(tmpdir(), "tsvm-suites-"));
  try {
    const { tests, missing } = findSuites(options.folder, writeEnvironments(scratch));
    for (const place of missing) console.error(`suites: ${join(options.folder, place)} is not there: skipped`);
    const engines = chosen(findEngines(), options.engines);
    const rows = await runAll(chosen(tests, options.only), engines, options);
    const table = resultsTable(
      rows,
      engines.map(({ name }) => name),
    );
    if (options.out === undefined) console.log(table);
    else writeFileSync(options.out, table);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What the scripts of kvm-unit-tests tell its programs of the machine. */
function writeEnvironments(folder: string): Environments {
  const [withDevice, withoutDevice] = ["1", "0"].map((value) => {
    const path = join(folder, `environment-${value}`);
    writeFileSync(path, `TEST_DEVICE=${value}\n`);
    return path;
  }) as [string, string];
  return { withDevice, withoutDevice };
}

/** Those with a name in `names`; all if there are none. @throws Error naming what is unknown */
function chosen<T extends { readonly name: string }>(all: readonly T[], names: readonly string[]): readonly T[] {
  for (const name of names) {
    if (!all.some((one) => one.name === name)) {
      throw new Error(`no '${name}'; there are ${all.map((one) => one.name).join(", ") || "none"}`);
    }
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

async function runAll(
  tests: readonly TestCase[],
  engines: readonly Engine[],
  options: RunOptions,
): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  for (const test of tests) {
    const results = new Map<string, Result>();
    for (const engine of engines) results.set(engine.name, await runOne(test, engine, options));
    rows.push({ suite: test.suite, name: test.name, results });
  }
  return rows;
}

async function runOne(test: TestCase, engine: Engine, { logs }: RunOptions): Promise<Result> {
  const run = await runGuest(test, engine);
  const verdict = test.judge(run);
  console.error(
    `${test.suite}, ${test.name}, ${engine.name}: ${verdict.passed} pass, ${verdict.failures.length} fail, ` +
      `${verdict.skipped} skip, ${run.seconds.toFixed(1)} s`,
  );
  if (logs !== undefined) {
    mkdirSync(logs, { recursive: true });
    const file = `${test.suite}.${test.name}.${engine.name}.log`.replaceAll(/[^\w.-]/g, "-");
    writeFileSync(join(logs, file), run.output);
  }
  return { ...verdict, seconds: run.seconds };
}

// Guests are ended when this process exits, which a signal alone would not make it do.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  await main();
} catch (error) {
  console.error(`suites: ${(error as Error).message}`);
  process.exitCode = 1;
}

import type { Verdict } from "./test-case.ts";

/** What one engine made of one test. */
export interface Result extends Verdict {
  readonly seconds: number;
}

/** One test on every engine, by the engine's name. */
export interface ResultRow {
  readonly suite: string;
  readonly name: string;
  readonly results: ReadonlyMap<string, Result>;
}

/** Failures are told in full up to here; `access` alone can have thousands. */
const TOLD_FAILURES = 12;

/** The whole report in Markdown: counts, sums, and what failed on which engine. */
export function resultsTable(rows: readonly ResultRow[], engines: readonly string[]): string {
  return [...countTable(rows, engines), "", "## What failed", "", ...failureList(rows, engines), ""].join("\n");
}

function countTable(rows: readonly ResultRow[], engines: readonly string[]): readonly string[] {
  return [
    `| suite | test | ${engines.join(" | ")} |`,
    `|---|---|${engines.map(() => "---|").join("")}`,
    ...rows.map(({ suite, name, results }) => line(suite, name, engines, (engine) => countText(results.get(engine)))),
    ...sums(rows, engines),
  ];
}

const line = (suite: string, name: string, engines: readonly string[], cell: (engine: string) => string): string =>
  `| ${suite} | ${name} | ${engines.map(cell).join(" | ")} |`;

function sums(rows: readonly ResultRow[], engines: readonly string[]): readonly string[] {
  const suites = [...new Set(rows.map(({ suite }) => suite))];
  return suites.map((suite) => {
    const ours = rows.filter((row) => row.suite === suite);
    return line(`**${suite}**`, "all", engines, (engine) =>
      countText(addUp(ours.map(({ results }) => results.get(engine)))),
    );
  });
}

function addUp(results: readonly (Result | undefined)[]): Result {
  const known = results.filter((result) => result !== undefined);
  return {
    passed: known.reduce((sum, { passed }) => sum + passed, 0),
    skipped: known.reduce((sum, { skipped }) => sum + skipped, 0),
    failures: known.flatMap(({ failures }) => failures),
    seconds: known.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

function countText(result: Result | undefined): string {
  if (result === undefined) return "";
  const { passed, skipped, failures, seconds } = result;
  const parts = [`${passed} pass`];
  if (failures.length > 0) parts.push(`**${failures.length} fail**`);
  if (skipped > 0) parts.push(`${skipped} skip`);
  return `${parts.join(", ")} (${seconds.toFixed(1)} s)`;
}

function failureList(rows: readonly ResultRow[], engines: readonly string[]): readonly string[] {
  const lines = rows.flatMap(({ suite, name, results }) =>
    engines.flatMap((engine) => {
      const failures = results.get(engine)?.failures ?? [];
      if (failures.length === 0) return [];
      const told = failures.slice(0, TOLD_FAILURES).map((what) => `  - ${escapeMarkdown(what)}`);
      const more = failures.length > TOLD_FAILURES ? [`  - and ${failures.length - TOLD_FAILURES} more`] : [];
      return [`- ${suite}, ${name}, ${engine}`, ...told, ...more];
    }),
  );
  return lines.length === 0 ? ["Nothing."] : lines;
}

/** Guests' words are no markup. */
const escapeMarkdown = (text: string): string => `\`${text.replaceAll("`", "'").trim()}\``;

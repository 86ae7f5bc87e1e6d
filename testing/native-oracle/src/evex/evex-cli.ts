/** Every row of AVX-512 against this CPU, or against what was recorded of one: `pnpm evex --per 200`. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Row } from "@tsvm/cpu-x86";
import type { Difference } from "../compare.ts";
import { ASKED_ROWS, compareEvex, hostSignal, isUndefined } from "./check-evex.ts";
import { CASE, type EvexCase, makeCase, WIDE_ROWS } from "./evex-case.ts";
import { EvexEngine } from "./evex-engine.ts";
import { EVEX_NEEDS, missingOnHost, runEvexOnHost } from "./evex-host.ts";
import {
  differingGroups,
  FINGERPRINT_FILE,
  fingerprintsOf,
  GROUP,
  lineOf,
  RECORDED_SALT,
  readFingerprints,
} from "./fingerprints.ts";

const USAGE = `evex [options]
  --per N            cases of each row (200)
  --salt TEXT        other cases for each text
  --filter TEXT      rows whose line of the manual contains it
  --engine NAME      interpreter or regions (interpreter)
  --record           writes what this CPU makes of them to conformance
  --recorded         compares with that instead of this CPU`;

const { values: options } = parseArgs({
  options: {
    per: { type: "string", default: "200" },
    salt: { type: "string", default: "" },
    filter: { type: "string", default: "" },
    engine: { type: "string", default: "interpreter" },
    record: { type: "boolean", default: false },
    recorded: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** Rows whose cases run at once. */
const BATCH = 50;

function main(): void {
  const rows = ASKED_ROWS.filter((row) => lineOf(row).includes(options.filter));
  if (options.recorded) return replay(rows);
  const missing = missingOnHost(EVEX_NEEDS);
  if (missing.length > 0) return console.log(`this CPU lacks ${missing.join(", ")}: skipped`);
  if (options.record) return record();
  compare(rows);
}

const newEngine = (): EvexEngine => new EvexEngine({ heatLimit: options.engine === "regions" ? 1 : 0 });

function compare(rows: readonly Row[]): void {
  const engine = newEngine();
  const per = Number(options.per);
  let differing = 0;
  for (let i = 0; i < rows.length; i += BATCH) {
    const batch = rows.slice(i, i + BATCH);
    const cases = casesOf(batch, per, options.salt);
    const hosts = runEvexOnHost(cases);
    const failures = cases.flatMap(({ row, bytes }, n) => {
      const differences = compareEvex(hosts[n] as Uint8Array, engine.run(bytes));
      return differences.length === 0 ? [] : [{ row, bytes, differences }];
    });
    for (const row of batch)
      if (cases.every((made, n) => made.row !== row || isUndefined(hosts[n] as Uint8Array))) {
        console.log(`no instruction: ${lineOf(row)}`);
        differing++;
      }
    for (const row of new Set(failures.map((failure) => failure.row))) {
      report(failures.filter((failure) => failure.row === row));
      differing++;
    }
  }
  conclude(rows, per, differing);
}

const casesOf = (rows: readonly Row[], per: number, salt: string): readonly EvexCase[] =>
  rows.flatMap((row) => Array.from({ length: per }, (_, n) => makeCase(row, n, salt)));

/** Writes what this CPU makes of all rows. */
function record(): void {
  const per = Number(options.per);
  const lines = ASKED_ROWS.map((row): [string, string] => {
    const hosts = runEvexOnHost(casesOf([row], per, RECORDED_SALT));
    return [lineOf(row), fingerprintsOf(hosts, hosts.map(hostSignal))];
  });
  const cpu = /^model name\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  writeFileSync(FINGERPRINT_FILE, `${JSON.stringify({ cpu, rows: Object.fromEntries(lines) }, undefined, 2)}\n`);
  console.log(`${lines.length * per} cases of ${lines.length} rows: ${FINGERPRINT_FILE}`);
}

/** Compares with what was recorded, on any CPU. */
function replay(rows: readonly Row[]): void {
  const [engine, recorded] = [newEngine(), readFingerprints()];
  const groups = Math.ceil(Number(options.per) / GROUP);
  let differing = 0;
  for (const row of rows) {
    const line = lineOf(row);
    const wrong = differingGroups(engine, row, recorded.rows[line] ?? "", groups);
    if (wrong.length === 0) continue;
    console.log(`${line}: cases ${wrong.map((i) => `${i * GROUP} to ${i * GROUP + GROUP - 1}`).join(", ")}`);
    differing++;
  }
  conclude(rows, groups * GROUP, differing);
}

function conclude(rows: readonly Row[], per: number, differing: number): void {
  const left = WIDE_ROWS.length - rows.length;
  console.log(`${rows.length * per} cases of ${rows.length} rows, ${left} rows left out: ${differing} rows differ`);
  if (differing > 0) process.exitCode = 1;
}

interface Failure extends EvexCase {
  readonly differences: readonly Difference[];
}

/** Those of one row: how many, and the first in full. */
function report(failures: readonly Failure[]): void {
  const [{ row, bytes, differences }] = failures as [Failure];
  console.log(`${failures.length} of ${options.per}: ${lineOf(row)}`);
  const view = new DataView(bytes.buffer);
  const code = Buffer.from(bytes.subarray(CASE.code, view.getUint32(CASE.length, true))).toString("hex");
  console.log(`  ${code}, MXCSR ${view.getUint32(CASE.mxcsr, true).toString(16)}`);
  for (const { field, expected, actual } of differences.slice(0, 4))
    console.log(`  ${field}\n    expected ${expected}\n    got      ${actual}`);
}

if (options.help) console.log(USAGE);
else main();

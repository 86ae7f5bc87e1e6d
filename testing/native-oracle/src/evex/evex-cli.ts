/** Every row of AVX-512 against this CPU: `pnpm evex --per 200`. */
import { parseArgs } from "node:util";
import type { Row } from "@tsvm/cpu-x86";
import type { Difference } from "../compare.ts";
import { compareEvex, isLeftOut, isUndefined } from "./check-evex.ts";
import { CASE, type EvexCase, makeCase, WIDE_ROWS } from "./evex-case.ts";
import { EvexEngine } from "./evex-engine.ts";
import { EVEX_NEEDS, missingOnHost, runEvexOnHost } from "./evex-host.ts";

const USAGE = `evex [options]
  --per N            cases of each row (200)
  --salt TEXT        other cases for each text
  --filter TEXT      rows whose line of the manual contains it
  --engine NAME      interpreter or regions (interpreter)`;

const { values: options } = parseArgs({
  options: {
    per: { type: "string", default: "200" },
    salt: { type: "string", default: "" },
    filter: { type: "string", default: "" },
    engine: { type: "string", default: "interpreter" },
    help: { type: "boolean", default: false },
  },
});

/** Rows whose cases run at once. */
const BATCH = 50;

const lineOf = ({ encoding, mnemonic, operands }: Row): string => `${encoding} ${mnemonic} ${operands.join()}`;

function main(): void {
  const missing = missingOnHost(EVEX_NEEDS);
  if (missing.length > 0) return console.log(`this CPU lacks ${missing.join(", ")}: skipped`);
  const rows = WIDE_ROWS.filter((row) => !isLeftOut(row) && lineOf(row).includes(options.filter));
  const engine = new EvexEngine({ heatLimit: options.engine === "regions" ? 1 : 0 });
  const per = Number(options.per);
  let differing = 0;
  for (let i = 0; i < rows.length; i += BATCH) {
    const batch = rows.slice(i, i + BATCH);
    const cases = batch.flatMap((row) => Array.from({ length: per }, (_, n) => makeCase(row, n, options.salt)));
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

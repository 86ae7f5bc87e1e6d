/** What is proven of the processor, as a document: made from the corpus, the forms, and what the suites' runner left. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allRows } from "@tsvm/cpu-x86";
import { corpusFamilies, readFamily } from "./corpus.ts";
import { ENVIRONMENTS } from "./environment.ts";
import { readFingerprints, recordedCases } from "./evex/fingerprints.ts";
import { keptPrograms } from "./programs/cases.ts";
import type { VectorGroup } from "./vector-file.ts";
import { WITHOUT_VECTORS } from "./without-vectors.ts";

const ROOT = new URL("../../../", import.meta.url);
/** The document. */
export const SUPPORT_FILE: string = fileURLToPath(new URL("docs/support.md", ROOT));
/** Tables of suites, written by the suites' runner, one file a run that is worth keeping. */
const RESULTS = fileURLToPath(new URL("conformance/results/", ROOT));

const MODES = Object.values(ENVIRONMENTS).sort((a, b) => a.id - b.id);

/** All of the document. */
export function supportDocument(): string {
  return [
    "# What is shown of the processor",
    "",
    "Printed by `pnpm --filter @tsvm-testing/native-oracle run support`; a test fails when it is not what the files say.",
    "",
    "## Instructions",
    "",
    ...instructionTable(),
    "",
    "Vectors are what a real processor (AMD) did. Every one is replayed on the interpreter in `pnpm test`, and none may differ;",
    "`pnpm replay --engine regions` replays them in a translated region each, `--fresh WORD` makes new ones. Columns are modes:",
    "bits of the code, and of the stack where that is another.",
    "",
    ...evexLines(),
    "",
    "## Instructions without vectors",
    "",
    ...WITHOUT_VECTORS.map(({ mnemonics, reason }) => `- ${mnemonics.join(", ")}: ${reason}`),
    "",
    "## Programs",
    "",
    "| engines | what is compared | in `pnpm test` | on demand |",
    "|---|---|---|---|",
    "| regions, interpreter | programs of user code, a third with AVX-512: faults, registers, memory, number of instructions | 130 | `pnpm fuzz` |",
    "| regions, interpreter | programs with privilege: page tables, control registers, SYSCALL, devices, interrupts | 80 | `pnpm fuzz` |",
    "| regions, interpreter | programs in real-address and virtual-8086 mode: vectors, a monitor, segments, flags, single steps | 80 | `pnpm fuzz --mode real`, `--mode vm86` |",
    "| interpreter, regions, this CPU | programs of user code, a third with AVX-512: faults, registers, memory | 150 | `pnpm fuzz --against host` |",
    "| interpreter, regions, QEMU | programs with privilege: faults, registers, memory, page and descriptor tables | 20 | `pnpm fuzz --against qemu` |",
    "| interpreter, regions, QEMU | the same under 32-bit and PAE paging, in real-address and in virtual-8086 mode | 72 | `pnpm fuzz --against qemu --mode pae` |",
    "| regions, interpreter | a kernel's start: registers, devices, memory | every million instructions, 100 times | `boots/README.md` |",
    "",
    `${keptPrograms().length} programs that once differed are kept in \`fuzz/cases/programs\`.`,
    "",
    "What ran on demand, and what it found:",
    "",
    ...otherResults(),
    "",
    "## Suites of others",
    "",
    ...suiteTables(),
    "",
  ].join("\n");
}

function evexLines(): readonly string[] {
  const { cpu, rows } = readFingerprints();
  const fewest = Math.min(...Object.values(rows).map((hashes) => recordedCases(hashes)));
  return [
    `AVX-512: ${Object.keys(rows).length} rows in 64-bit code, at least ${fewest} cases each, of what a processor (${cpu}) did. Kept as hashes`,
    "in `conformance/evex-fingerprints.json`; some are asked in `pnpm test`, all by `pnpm evex --recorded`, and by `pnpm evex` a CPU that has",
    "AVX-512. Gathers, scatters, and approximations are not among them.",
  ];
}

function instructionTable(): readonly string[] {
  const families = corpusFamilies().map((name) => [name, readFamily(name)] as const);
  const all = families.flatMap(([, groups]) => groups);
  return [
    `| family | forms | fewest vectors a form | ${MODES.map(({ name }) => name).join(" | ")} | vectors |`,
    `|---|--:|--:|${MODES.map(() => "--:").join("|")}|--:|`,
    ...families.map(([name, groups]) => familyRow(name, groups)),
    familyRow("**all**", all),
    "",
    `The instruction tables have ${allRows.length} rows; every row that user code can run has a form, or is listed below.`,
  ];
}

function familyRow(name: string, groups: readonly VectorGroup[]): string {
  const counts = MODES.map(({ id }) => sum(groups, ({ environment }) => environment.id === id));
  const fewest = Math.min(...groups.map(({ vectors }) => vectors.length));
  return `| ${[name, groups.length, fewest, ...counts, sum(groups, () => true)].join(" | ")} |`;
}

function sum(groups: readonly VectorGroup[], counts: (vector: VectorGroup["vectors"][number]) => boolean): number {
  return groups.reduce((total, { vectors }) => total + vectors.filter(counts).length, 0);
}

const HEAD = "| suite |";

/** Names and lines of the files of results. */
function results(): readonly (readonly [name: string, lines: readonly string[]])[] {
  const names = existsSync(RESULTS) ? readdirSync(RESULTS).filter((name) => name.endsWith(".md")) : [];
  return names.sort().map((name) => [name, readFileSync(join(RESULTS, name), "utf8").split("\n")]);
}

/** The sums of each table of suites: the lines whose first cell is bold, under the line that names the engines. */
function suiteTables(): readonly string[] {
  const files = results().filter(([, lines]) => lines.some((line) => line.startsWith(HEAD)));
  if (files.length === 0) return ["No results were committed to `conformance/results` so far."];
  return files.flatMap(([name, lines]) => {
    const head = lines.findIndex((line) => line.startsWith(HEAD));
    const sums = lines.filter((line) => line.startsWith("| **"));
    return [`[${name}](../conformance/results/${name}):`, "", ...lines.slice(head, head + 2), ...sums, ""];
  });
}

/** Links to results of other kinds, by their titles. */
function otherResults(): readonly string[] {
  return results()
    .filter(([, lines]) => !lines.some((line) => line.startsWith(HEAD)))
    .map(([name, lines]) => `- [${lines[0]?.replace(/^# /, "")}](../conformance/results/${name})`);
}

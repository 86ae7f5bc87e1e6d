/**
 * Random programs until time is up: `pnpm fuzz --minutes 10`. A difference is made small and kept as a file in
 * fuzz/cases/programs, which the tests run for ever.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Difference } from "./compare.ts";
import { CASES_DIRECTORY } from "./programs/cases.ts";
import { ProgramChecker, runOnHostCpu } from "./programs/check-programs.ts";
import { MODE_NAMES, type ModeName, modeNamed } from "./programs/mode.ts";
import { FIRST_SLOT, type Program, writeProgram } from "./programs/program.ts";
import { qemuVersion, runOnQemu } from "./programs/qemu-engine.ts";
import { shrinkProgram } from "./programs/shrink.ts";
import type { Vocabulary } from "./programs/vocabulary.ts";

const MODE_LIST = [...new Set(MODE_NAMES)].join(", ");
const USAGE = `fuzz [options]
  --against regions|host|qemu
                          regions against the interpreter, or both against this CPU or QEMU, too (regions);
                          every other program is privileged, on this CPU none, on QEMU all
  --minutes N             (1)
  --programs N            stops after so many
  --seed N                first seed (the time)
  --mode NAME             privileged programs of one mode: ${MODE_LIST}
  --keep-going            after a difference`;

/** Programs the host runs at once: starting the harness costs more than many of them. */
const BATCH = 200;

const { values: options } = parseArgs({
  options: {
    against: { type: "string", default: "regions" },
    minutes: { type: "string", default: "1" },
    programs: { type: "string", default: "Infinity" },
    seed: { type: "string" },
    mode: { type: "string" },
    "keep-going": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

type Check = (programs: readonly Program[]) => readonly (readonly Difference[])[];

interface Opponent {
  vocabulary(seed: number, mode: ModeName | undefined): Vocabulary;
  check(checker: ProgramChecker, programs: readonly Program[]): readonly (readonly Difference[])[];
}

const OPPONENTS: Readonly<Record<"regions" | "host" | "qemu", Opponent>> = {
  regions: {
    // Where selectors are paragraphs all programs are privileged.
    vocabulary: (seed, mode) =>
      seed % 2 === 0 && (mode === undefined || modeNamed(mode).paragraphs === undefined) ? "all" : "system",
    check: (checker, programs) => programs.map((program) => checker.checkEngines(program)),
  },
  host: {
    vocabulary: () => "defined",
    check: (checker, programs) =>
      runOnHostCpu(programs).map((outcome, i) => checker.checkAgainstHost(programs[i] as Program, outcome)),
  },
  qemu: {
    vocabulary: () => "machine",
    check: (checker, programs) => {
      const ending = programs.filter((program) => checker.ends(program));
      const outcomes = new Map(runOnQemu(ending).map((outcome, i) => [ending[i], outcome]));
      return programs.map((program) => checker.checkAgainstQemu(program, outcomes.get(program)));
    },
  },
};

function main(): void {
  const deadline = Date.now() + Number(options.minutes) * 60_000;
  const last = Number(options.programs);
  const checker = new ProgramChecker();
  const opponent = OPPONENTS[options.against as keyof typeof OPPONENTS];
  if (opponent === undefined) return refuse(`--against ${options.against}: regions, host or qemu`);
  const mode = MODE_NAMES.find((name) => name === options.mode);
  if (options.mode !== undefined && mode === undefined) return refuse(`--mode ${options.mode}: ${MODE_LIST}`);
  if (options.against === "qemu" && qemuVersion() === undefined)
    return console.log("qemu-system-x86_64 is not there: skipped");
  const check: Check = (programs) => opponent.check(checker, programs);
  let seed = options.seed === undefined ? Date.now() % 1_000_000_000 : Number(options.seed);
  let found = 0;
  for (let done = 0; done < last && Date.now() < deadline; ) {
    const seeds = Array.from({ length: Math.min(BATCH, last - done) }, (_, i) => seed + i);
    const programs = seeds.map((each) => checker.generate(each, opponent.vocabulary(each, mode), mode));
    for (const [i, differences] of check(programs).entries()) {
      if (differences.length === 0) continue;
      report(seeds[i] as number, programs[i] as Program, differences, check);
      found++;
      if (!options["keep-going"]) return conclude(checker, found);
    }
    done += seeds.length;
    seed += seeds.length;
  }
  conclude(checker, found);
}

function refuse(why: string): void {
  console.error(`fuzz: ${why}`);
  process.exitCode = 1;
}

function describe({ counts }: ProgramChecker): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}

function conclude(checker: ProgramChecker, found: number): void {
  for (const [reason, count] of checker.known) console.log(`${count} times: ${reason}`);
  console.log(`${describe(checker)}: ${found === 0 ? "nothing found" : `${found} differ`}`);
  if (found > 0) process.exitCode = 1;
}

function report(seed: number, program: Program, differences: readonly Difference[], check: Check): void {
  console.log(
    `seed ${seed}, ${program.environment.name}-bit code${program.system?.mode ? `, ${program.system.mode}` : ""}`,
  );
  const smaller = shrinkProgram(program, (candidates) => check(candidates).map(({ length }) => length > 0));
  const shown = check([smaller])[0] ?? differences;
  for (const { field, expected, actual } of shown.slice(0, 8))
    console.log(`  ${field}: expected ${expected}, got ${actual}`);
  mkdirSync(CASES_DIRECTORY, { recursive: true });
  const file = join(CASES_DIRECTORY, `${options.against}-${seed}.json`);
  writeFileSync(file, writeProgram(smaller));
  console.log(`  ${smaller.pieces.length} of ${program.pieces.length} pieces left: ${file}`);
  for (const { offset, length } of smaller.pieces)
    console.log(
      `  ${(FIRST_SLOT + offset).toString(16)}  ${Buffer.from(smaller.code.subarray(offset, offset + length)).toString("hex")}`,
    );
}

if (options.help) console.log(USAGE);
else main();

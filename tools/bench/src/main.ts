// Runs the guest suite on tsvm, QEMU and v86 in turn on this machine, and writes a Markdown table for each guest.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join, resolve } from "node:path";
import { type BenchOptions, type GuestName, parseBenchOptions, USAGE } from "./bench-options.ts";
import { type Emulator, findPeer, findTsvm, GUEST_MIB, type Guest, ROOT, runs } from "./emulators.ts";
import { measureRun, type Run } from "./measure-run.ts";
import { type Circumstances, reportText } from "./report.ts";
import { type Runs, summarize } from "./summary.ts";

/** Progress goes to standard error: standard output is the report. */
const say = (line: string): void => console.error(`bench: ${line}`);

function guestOf(name: GuestName, folder: string, { percent, rows }: BenchOptions): Guest {
  const words = ["console=ttyS0", "bench", `benchpct=${percent}`, "panic=-1"];
  if (rows.length > 0) words.push(`benchonly=${rows.join(",")}`);
  return {
    name,
    kernel: join(folder, `vmlinuz${name}`),
    initrd: join(folder, `guest${name}.cpio.gz`),
    commandLine: words.join(" "),
  };
}

/** Every emulator once a round, so that what else the machine does meets all of them alike. */
async function measureGuest(guest: Guest, emulators: readonly Emulator[], options: BenchOptions): Promise<Runs> {
  const all = new Map(emulators.map(({ name }) => [name, [] as Run[]]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const emulator of emulators) {
      const run = await measureRun(emulator.command(guest), options.timeoutS);
      all.get(emulator.name)?.push(run);
      const boot = run.bootS === undefined ? "did not boot" : `boot ${run.bootS.toFixed(2)} s CPU`;
      const trouble = run.trouble.length === 0 ? "" : `; ${run.trouble.join("; ")}`;
      say(`${guest.name}-bit, round ${round}: ${emulator.name} ${boot}, ${run.rows.size} rows${trouble}`);
    }
  }
  return all;
}

const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(" ");

function circumstancesOf(emulators: readonly Emulator[], began: Date, loadBefore: string): Circumstances {
  const processors = cpus();
  return [
    ["date", `${began.toISOString().slice(0, 16).replace("T", " ")} UTC`],
    [
      "machine",
      `${processors[0]?.model.trim() ?? "unknown processor"}, ${processors.length} cores, Linux ${release()}`,
    ],
    ["load average", `${loadBefore} before, ${load()} after`],
    ["guest RAM", `${GUEST_MIB} MiB`],
    ...emulators.map(({ name, version }) => [name, version] as const),
  ];
}

function writeReport(text: string, guest: GuestName, began: Date, { rows, percent, output }: BenchOptions): string {
  const folder = output === undefined ? join(ROOT, "bench/results") : resolve(output);
  const partial = rows.length > 0 || percent < 100 ? "-partial" : "";
  const file = join(folder, `${began.toISOString().slice(0, 10)}-${guest}${partial}.md`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Resolves with whether all went well. */
async function bench(options: BenchOptions, folder: string): Promise<boolean> {
  const emulators: Emulator[] = [findTsvm()];
  for (const peer of options.peers) {
    const found = findPeer(peer);
    if (typeof found === "string") say(`without ${peer}: ${found}`);
    else emulators.push(found);
  }
  let good = true;
  for (const name of options.guests) {
    const able = emulators.filter((emulator) => runs(emulator, name));
    const [began, loadBefore] = [new Date(), load()];
    const summary = summarize(await measureGuest(guestOf(name, folder, options), able, options));
    const text = reportText(name, summary, circumstancesOf(able, began, loadBefore), options);
    console.log(text);
    say(`written to ${writeReport(text, name, began, options)}`);
    good &&= summary.trouble.length === 0;
  }
  return good;
}

/** What keeps the suite from being measured here, in one line. */
function obstacle({ folder, guests }: BenchOptions): string | undefined {
  if (folder === undefined) {
    return "no guests given; build them with the guest suite's build.sh and name their folder in TSVM_GUESTS";
  }
  if (!existsSync("/proc/self/schedstat")) return "CPU time is read from /proc, as Linux has it";
  const files = guests.flatMap((name) => [`vmlinuz${name}`, `guest${name}.cpio.gz`]);
  const missing = files.find((file) => !existsSync(join(folder, file)));
  return missing === undefined ? undefined : `${join(folder, missing)} is missing; the guest suite's build.sh makes it`;
}

// What was started is stopped when this process exits; it has to do that by itself.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  const options = parseBenchOptions(process.argv.slice(2), process.env);
  const why = obstacle(options);
  if (why !== undefined) console.log(`bench: nothing measured: ${why}`);
  else process.exitCode = (await bench(options, resolve(options.folder as string))) ? 0 : 1;
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n${USAGE}`);
  process.exitCode = 1;
}

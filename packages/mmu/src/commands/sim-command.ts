import type { PageSize } from "../lab/demonstration.ts";
import type { HashedProbes } from "../lab/hashed-walker.ts";
import type { ShadowSync } from "../lab/shadow.ts";
import { SIMULATED_SCHEMES, type SimulatedScheme } from "../sim/scheme-machine.ts";
import { createSimulation, type Simulation, type SimulationOptions } from "../sim/simulation.ts";
import { TraceBatch } from "../trace/batch.ts";
import { createTraceDecoder, TRACE_FORMATS, type TraceDecoder, type TraceFormat } from "../trace/decoder.ts";
import { detectTraceFormat } from "../trace/detect.ts";
import { createWorkload, WORKLOADS, type WorkloadName } from "../workload/workload.ts";
import { type Command, type CommandResult, fail, succeed, type Terminal, type TraceFile } from "./command.ts";
import {
  DEFAULT_CACHES,
  DEFAULT_NESTED_TLB,
  DEFAULT_TLB,
  DEFAULT_WALK_CACHE,
  parseCaches,
  parsePageArray,
  parseSize,
  parseTlb,
  parseWalkCache,
} from "./geometry-text.ts";
import { progressBar } from "./progress-bar.ts";
import { printReport } from "./sim-report.ts";
import { LEVEL_OPTIONS, levelsOf } from "./table-command.ts";

type Options = ReadonlyMap<string, string>;

const PAGE_SIZES = ["4K", "2M", "1G"] as const;
const DEFAULT_ACCESSES = "1M";
/** Records between two looks at the terminal. */
const PAUSE_RECORDS = 2 ** 15;
/** A decoder is not given more at once, so that Ctrl-C is heard soon and batches stay few. */
const CHUNK_BYTES = 2 ** 20;

/** `tsvm-mmu sim`. */
export const simCommand: Command = {
  usage:
    "TRACE | - | --workload NAME [--scheme NAME] [--guest-pages SIZE] [--host-pages SIZE] [--tlb GEOMETRY] [--json] ...",
  summary: `a trace (${TRACE_FORMATS.join(", ")}; .gz and .xz too) or workload under one scheme: hits, walks, references, cycles
    --scheme ${SIMULATED_SCHEMES.join("|")}; --sync and --roots of shadow, --nested-from adaptive|LEVEL of agile,
    --probes all|directed of hashed
    --tlb ${DEFAULT_TLB}   --walk-cache and --host-walk-cache ${DEFAULT_WALK_CACHE}
    --nested-tlb ${DEFAULT_NESTED_TLB}   --caches ${DEFAULT_CACHES}   any of them none
    --workload ${WORKLOADS.join("|")}
    --bytes 64M, --accesses ${DEFAULT_ACCESSES}, --pages 64, --quiet 0 and --seed 1 of a workload; --warm-up RECORDS of either`,
  operands: 1,
  options: {
    "--json": "flag",
    "--no-pcid": "flag",
    "--scheme": SIMULATED_SCHEMES,
    "--guest-pages": PAGE_SIZES,
    "--host-pages": PAGE_SIZES,
    ...LEVEL_OPTIONS,
    "--sync": ["invalidate", "write-protect", "unsync"],
    "--roots": ["cached", "dropped"],
    "--nested-from": ["adaptive", "0", "1", "2", "3", "4", "5"],
    "--probes": ["all", "directed"],
    "--tlb": "text",
    "--walk-cache": "text",
    "--host-walk-cache": "text",
    "--nested-tlb": "text",
    "--caches": "text",
    "--format": TRACE_FORMATS,
    "--workload": WORKLOADS,
    "--bytes": "text",
    "--accesses": "text",
    "--pages": "text",
    "--quiet": "text",
    "--seed": "text",
    "--warm-up": "text",
  },
  run: async (options, [path], terminal) => {
    if ((path === undefined) === !options.has("--workload")) return fail("sim takes a trace file or --workload");
    try {
      const run = new Run(options, terminal);
      const isWhole = path === undefined ? await run.workload() : await run.trace(path);
      terminal.progress("");
      return run.result(isWhole);
    } catch (error) {
      terminal.progress("");
      const line = userError(error);
      if (line === undefined) throw error;
      return fail(line);
    }
  },
};

/** What the user can mend, in one line; everything else is our own mistake. */
function userError(error: unknown): string | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === "string" && /^(MMU_|TRACE_FILE)/.test(code) ? `${message}` : undefined;
}

/** One simulation from its options to its result. */
class Run {
  readonly #options: Options;
  readonly #terminal: Terminal;
  readonly #simulation: Simulation;
  readonly #warmUp: number;
  #records = 0;
  #nextPause = 0;

  constructor(options: Options, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    this.#simulation = createSimulation(simulationOptions(options));
    this.#warmUp = number(options, "--warm-up", "0");
  }

  /** @returns whether it went on to the end. */
  async workload(): Promise<boolean> {
    const options = this.#options;
    const workload = createWorkload({
      name: options.get("--workload") as WorkloadName,
      bytes: number(options, "--bytes", "64M"),
      pages: number(options, "--pages", "64"),
      quiet: number(options, "--quiet", "0"),
      seed: number(options, "--seed", "1"),
    });
    const total = number(options, "--accesses", DEFAULT_ACCESSES) + this.#warmUp;
    const batch = new TraceBatch();
    while (this.#records < total) {
      if (await this.#isInterrupted(() => this.#records / total)) return false;
      batch.length = 0;
      workload.fill(batch);
      batch.length = Math.min(batch.length, total - this.#records);
      this.#take(batch);
    }
    return true;
  }

  /** @returns whether it went on to the end. */
  async trace(path: string): Promise<boolean> {
    const { files } = this.#terminal;
    if (files === undefined) return Promise.reject(fileError("there are no files here"));
    const file = await files.open(path);
    let decoder: TraceDecoder | undefined;
    for await (const chunk of file.chunks) {
      if (chunk.length === 0) continue;
      decoder ??= this.#decoderFor(chunk);
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
        decoder.write(chunk.subarray(at, at + CHUNK_BYTES));
        if (await this.#isInterrupted(() => shareOf(file))) return false;
      }
    }
    if (decoder === undefined) throw fileError(`${path} is empty`);
    decoder.end();
    return true;
  }

  result(isWhole: boolean): CommandResult {
    const report = this.#simulation.report();
    const output = this.#options.has("--json") ? `${JSON.stringify(report)}\n` : printReport(report);
    if (isWhole) return succeed(output);
    return { output, error: `tsvm-mmu: interrupted after ${this.#records} records\n`, exitCode: 130 };
  }

  #decoderFor(head: Uint8Array): TraceDecoder {
    const format = (this.#options.get("--format") as TraceFormat | undefined) ?? detectTraceFormat(head);
    return createTraceDecoder(format, (batch) => this.#take(batch));
  }

  #take(batch: TraceBatch): void {
    this.#simulation.run(batch);
    const isWarm = this.#records >= this.#warmUp;
    this.#records += batch.length;
    if (!isWarm && this.#records >= this.#warmUp) this.#simulation.forget();
  }

  async #isInterrupted(share: () => number): Promise<boolean> {
    if (this.#records < this.#nextPause) return false;
    this.#nextPause = this.#records + PAUSE_RECORDS;
    this.#terminal.progress(`${progressBar(share())}  ${(this.#records / 1e6).toFixed(1)} million records`);
    await this.#terminal.pause();
    return this.#terminal.isInterrupted;
  }
}

function simulationOptions(options: Options): SimulationOptions {
  const given = (name: string, otherwise: string): string | undefined => {
    const text = options.get(name) ?? otherwise;
    return text === "none" ? undefined : text;
  };
  const tlb = parseTlb(options.get("--tlb") ?? DEFAULT_TLB);
  const nestedFrom = options.get("--nested-from") ?? "adaptive";
  const walkCache = given("--walk-cache", DEFAULT_WALK_CACHE);
  const hostWalkCache = given("--host-walk-cache", DEFAULT_WALK_CACHE);
  const nestedTlb = given("--nested-tlb", DEFAULT_NESTED_TLB);
  const caches = given("--caches", DEFAULT_CACHES);
  return {
    scheme: (options.get("--scheme") ?? "ept") as SimulatedScheme,
    guestPages: (options.get("--guest-pages") ?? "4K") as PageSize,
    hostPages: (options.get("--host-pages") ?? "4K") as PageSize,
    ...levelsOf(options),
    sync: (options.get("--sync") ?? "unsync") as ShadowSync,
    roots: (options.get("--roots") ?? "cached") as "cached" | "dropped",
    nestedFrom: nestedFrom === "adaptive" ? nestedFrom : Number(nestedFrom),
    probes: (options.get("--probes") ?? "all") as HashedProbes,
    pcid: !options.has("--no-pcid"),
    ...(tlb && { tlb }),
    walk: {
      ...(walkCache && { walkCache: parseWalkCache("--walk-cache", walkCache) }),
      ...(hostWalkCache && { hostWalkCache: parseWalkCache("--host-walk-cache", hostWalkCache) }),
      ...(nestedTlb && { nestedTlb: parsePageArray("--nested-tlb", nestedTlb) }),
      ...(caches && { caches: parseCaches(caches) }),
    },
  };
}

function number(options: Options, name: string, otherwise: string): number {
  const text = options.get(name) ?? otherwise;
  const value = parseSize(text);
  if (!Number.isInteger(value)) throw fileError(`${name} takes a number such as 64, 10K or 1.5M, not "${text}"`);
  return value;
}

/** @returns 0 to 1, or NaN where nobody knows how long the trace is. */
function shareOf({ bytes, bytesRead }: TraceFile): number {
  return bytes === undefined ? Number.NaN : bytesRead() / bytes;
}

function fileError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "TRACE_FILE" });
}

// One run of the suite in one emulator.
import { spawn } from "node:child_process";
import { ProcessTree } from "./process-tree.ts";
import { SuiteConsole, type SuiteEvent } from "./suite-console.ts";

/** What one run gave. */
export interface Run {
  /** CPU seconds from the start to the guest's init; undefined if it did not get there. */
  readonly bootS: number | undefined;
  readonly rows: ReadonlyMap<string, RowResult>;
  readonly peakBytes: number;
  /** What went wrong, in lines; empty for a good run. */
  readonly trouble: readonly string[];
}

/** `cpuS`: CPU seconds of the emulator's whole process tree. */
export interface RowResult {
  readonly cpuS: number;
  readonly checksum: string;
}

const SAMPLE_MS = 250;
/** As much of standard error is kept for the report of trouble. */
const KEPT_STDERR = 2000;

/** Turns the events of one run into figures, by a clock of CPU seconds. */
export class RunRecorder {
  readonly #cpuSeconds: () => number;
  readonly #startedAt = new Map<string, number>();
  readonly rows = new Map<string, RowResult>();
  readonly trouble: string[] = [];
  bootS: number | undefined;
  finished = false;

  constructor(cpuSeconds: () => number) {
    this.#cpuSeconds = cpuSeconds;
  }

  take(event: SuiteEvent): void {
    if (event.kind === "ready") this.bootS ??= this.#cpuSeconds();
    else if (event.kind === "row-started") this.#startedAt.set(event.row, this.#cpuSeconds());
    else if (event.kind === "trouble") this.trouble.push(event.line);
    else if (event.kind === "finished") this.finished = true;
    else this.#finishRow(event.row, event.checksum);
  }

  #finishRow(row: string, checksum: string): void {
    const began = this.#startedAt.get(row);
    if (began === undefined) this.trouble.push(`row ${row} ended without having begun`);
    else this.rows.set(row, { cpuS: this.#cpuSeconds() - began, checksum });
  }
}

/** Runs `command` until the suite has finished, the process has ended or time is up; leaves no process behind. */
export function measureRun([program = "", ...args]: readonly string[], timeoutS: number): Promise<Run> {
  const child = spawn(program, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const tree = new ProcessTree(child.pid ?? -1);
  const recorder = new RunRecorder(() => {
    tree.sample();
    return tree.cpuSeconds();
  });
  const killAll = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const console_ = new SuiteConsole((event) => {
    recorder.take(event);
    if (recorder.finished) killAll();
  });
  child.stdout.on("data", (bytes: Uint8Array) => console_.write(bytes));
  child.stdin.on("error", () => {}); // It ended before the pipe was closed.
  let complaints = "";
  child.stderr.on("data", (bytes: Buffer) => {
    complaints = (complaints + bytes.toString("utf8")).slice(-KEPT_STDERR);
  });
  const sampling = setInterval(() => tree.sample(), SAMPLE_MS);
  const deadline = setTimeout(() => {
    recorder.trouble.push(`not finished after ${timeoutS} s`);
    killAll();
  }, timeoutS * 1000);
  process.once("exit", killAll);
  return new Promise((resolve) => {
    const end = (why: string): void => {
      clearInterval(sampling);
      clearTimeout(deadline);
      process.removeListener("exit", killAll);
      if (!recorder.finished) recorder.trouble.push(why, ...complaints.trim().split("\n").slice(-3).filter(Boolean));
      const { bootS, rows, trouble } = recorder;
      resolve({ bootS, rows, peakBytes: tree.peakBytes, trouble });
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(`ended before the suite (${signal ?? `exit code ${code}`})`));
  });
}

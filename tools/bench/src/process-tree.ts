// CPU time and memory of a process and all its descendants, as Linux's /proc tells them.
import { readdirSync, readFileSync } from "node:fs";

const PAGE_BYTES = 4096;

/** Of one process, out of /proc/PID/stat. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly residentBytes: number;
}

/** Reads the text of /proc/PID/stat: the command in it may hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), residentBytes: Number(fields[21]) * PAGE_BYTES };
}

/** `root` and what descends from it, among `processes`. */
export function descendants(processes: readonly ProcessStat[], root: number): readonly ProcessStat[] {
  const tree = processes.filter(({ pid }) => pid === root);
  for (const above of tree) tree.push(...processes.filter(({ parent }) => parent === above.pid));
  return tree;
}

/** Adds up clocks that come and go: one that is seen no more, or begins anew, keeps what it had. */
export class ClockSum {
  readonly #last = new Map<string, number>();
  #gone = 0;

  /** The sum after clock `name` shows `value`. */
  see(name: string, value: number): void {
    const before = this.#last.get(name) ?? 0;
    if (value < before) this.#gone += before;
    this.#last.set(name, value);
  }

  get total(): number {
    let total = this.#gone;
    for (const value of this.#last.values()) total += value;
    return total;
  }
}

/** Watches the processes under `root`; it must be asked now and then, for what ends unseen is not counted. */
export class ProcessTree {
  readonly #root: number;
  readonly #threads = new ClockSum();
  #pids: readonly number[] = [];
  /** Most bytes resident at any `sample`. */
  peakBytes = 0;

  constructor(root: number) {
    this.#root = root;
  }

  /** Finds the processes anew, and looks at their memory. */
  sample(): void {
    const tree = descendants(runningProcesses(), this.#root);
    this.#pids = tree.map(({ pid }) => pid);
    this.peakBytes = Math.max(
      this.peakBytes,
      tree.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    );
    this.cpuSeconds();
  }

  /** CPU seconds of all threads so far, to the scheduler's nanosecond; of processes known since the last `sample`. */
  cpuSeconds(): number {
    for (const pid of this.#pids) {
      for (const thread of entries(`/proc/${pid}/task`)) {
        const text = contents(`/proc/${pid}/task/${thread}/schedstat`);
        if (text !== undefined) this.#threads.see(thread, Number.parseInt(text, 10));
      }
    }
    return this.#threads.total / 1e9;
  }
}

function runningProcesses(): readonly ProcessStat[] {
  return entries("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => contents(`/proc/${pid}/stat`) ?? [])
    .map(parseStat);
}

/** A process may end between being listed and being read. */
function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function contents(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

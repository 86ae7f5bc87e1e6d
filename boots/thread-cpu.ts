// What threads of other processes have used of the processor, by Linux's /proc. On a busy host that is a fairer measure of
// work than the time that passed.
import { readdirSync, readFileSync } from "node:fs";

/** Ticks of a second: USER_HZ, the same on every Linux of today. */
const TICKS = 100;

/** Milliseconds used by all threads called `name` in processes that descend from this one. */
export function threadCpuMs(name: string): number {
  const stats = numbersIn("/proc").flatMap((pid) => statOf(`/proc/${pid}/stat`) ?? []);
  const parents = new Map(stats.map(({ id, parent }) => [id, parent]));
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)));
  return stats
    .filter(({ id }) => isOurs(parents.get(id)))
    .flatMap(({ id }) => numbersIn(`/proc/${id}/task`).map((thread) => statOf(`/proc/${id}/task/${thread}/stat`)))
    .filter((thread) => thread?.name === name)
    .reduce((sum, thread) => sum + (thread?.cpuMs ?? 0), 0);
}

function numbersIn(folder: string): readonly number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** One line of proc(5), "/proc/pid/stat"; undefined if whoever it is about has just ended. */
function statOf(path: string) {
  let line: string;
  try {
    line = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  // The name may hold anything, parentheses too.
  const end = line.lastIndexOf(")");
  const fields = line
    .slice(end + 2)
    .split(" ")
    .map(Number);
  return {
    id: Number.parseInt(line, 10),
    name: line.slice(line.indexOf("(") + 1, end),
    parent: fields[1] as number,
    cpuMs: (((fields[11] as number) + (fields[12] as number)) * 1000) / TICKS,
  };
}

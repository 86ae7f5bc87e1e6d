import { readFileSync } from "node:fs";

/** Linux's USER_HZ, in which /proc counts. */
const TICKS_PER_S = 100;
/** Fields behind the name of the program, which may contain anything. proc(5), "/proc/pid/stat". */
const UTIME = 11;
const STIME = 12;

/** CPU seconds of a process so far, user and system; undefined where the host does not tell, or the process is no more. */
export function cpuSecondsOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_S;
  } catch {
    return undefined;
  }
}

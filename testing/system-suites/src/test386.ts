import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestRun, TestCase, Verdict } from "./test-case.ts";

const TIMEOUT_S = 600;
/** The last POST code: everything passed. */
const POST_DONE = 0xff;

/**
 * test386.asm as the ROM that the CPU starts in. It is built with POST_PORT 0x3f8, so that POST codes are the bytes of the serial
 * line, and OUT_PORT 0xe9, the debug console, which gets the results that the suite's reference file has.
 * @throws Error of one line if it was not built.
 */
export function test386(folder: string): readonly TestCase[] {
  const rom = join(folder, "test386.bin");
  if (!existsSync(rom)) throw new Error(`${rom}: not built; docs/how-to/run-system-suites.md says how`);
  const reference = readFileSync(join(folder, "test386-EE-reference.txt"), "latin1");
  const scratch = mkdtempSync(join(tmpdir(), "tsvm-test386-"));
  process.once("exit", () => rmSync(scratch, { recursive: true }));
  const results = join(scratch, "results");
  const quiet = ["-nodefaults", "-no-reboot", "-display", "none", "-m", "16"];
  return [
    {
      suite: "test386.asm",
      name: "test386",
      args: ["-bios", rom, ...quiet, "-serial", "stdio", "-debugcon", `file:${results}`],
      timeoutS: TIMEOUT_S,
      until: /\xff/,
      judge: (run) => judgeTest386(run, existsSync(results) ? readFileSync(results, "latin1") : "", reference),
    },
  ];
}

/** One test for each POST code passed by, and one for the results. */
export function judgeTest386({ output }: Pick<GuestRun, "output">, results: string, reference: string): Verdict {
  const codes = [...output].map((char) => char.charCodeAt(0));
  const last = codes.at(-1);
  const failures: string[] = [];
  if (last !== POST_DONE) failures.push(`stopped at POST ${last?.toString(16) ?? "nothing"}`);
  const wrong = firstDifference(results, reference);
  if (wrong !== undefined) failures.push(`results differ from the reference in line ${wrong}`);
  const passed = Math.max(0, codes.length - (last === POST_DONE ? 0 : 1)) + (wrong === undefined ? 1 : 0);
  return { passed, skipped: 0, failures };
}

/** Number of the first line that is not the same, from 1; line ends do not matter. */
function firstDifference(text: string, reference: string): number | undefined {
  const [ours, theirs] = [text, reference].map((all) => all.replaceAll("\r", "").trimEnd().split("\n")) as [
    string[],
    string[],
  ];
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  if (at >= 0) return at + 1;
  return ours.length > theirs.length ? theirs.length + 1 : undefined;
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GuestRun, type TestCase, type Verdict, WHOLE_SYSTEM_TIMEOUT_S } from "./test-case.ts";

/** Tests 0 to 9; the tenth only waits for memory to fade. */
const TESTS = 10;

/** Debian's memtest86+ in both widths, on the serial line, up to the test that waits. */
export function memtest(folder: string): readonly TestCase[] {
  const files = ["memtest86+ia32.bin", "memtest86+x64.bin"].filter((file) => existsSync(join(folder, file)));
  return files.map((file) => ({
    suite: "memtest86+",
    name: file.replace(/^memtest86\+(.*)\.bin$/, "$1"),
    args: [
      ...["-m", "16", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"],
      ...["-kernel", join(folder, file), "-append", "console=ttyS0,115200"],
    ],
    timeoutS: WHOLE_SYSTEM_TIMEOUT_S,
    until: /#10 \[/,
    judge: judgeMemtest,
  }));
}

/** It shows what it does at the moment, and how many errors there were; tests that were over between two pictures count by the next. */
export function judgeMemtest({ output }: Pick<GuestRun, "output">): Verdict {
  const reached = Math.max(-1, ...[...output.matchAll(/#(\d+) {1,2}\[/g)].map(([, number]) => Number(number)));
  const passed = Math.min(Math.max(reached, 0), TESTS);
  const failures: string[] = [];
  if (reached < TESTS) failures.push(reached < 0 ? "showed nothing" : `stopped in test ${reached}`);
  const errors = Math.max(0, ...[...output.matchAll(/Errors:\s+(\d+)/g)].map(([, count]) => Number(count)));
  if (errors > 0) failures.push(`${errors} errors in memory`);
  return { passed, skipped: 0, failures };
}

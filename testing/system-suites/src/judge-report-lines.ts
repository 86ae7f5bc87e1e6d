import type { GuestRun, Verdict } from "./test-case.ts";

/** What lib/report.c of kvm-unit-tests prints for one sub-test. */
const LINE = /^(PASS|FAIL|SKIP|XFAIL|XPASS): (.*)$/;
/** The library's first words: an emulator that refuses its options ends with 1 as well. */
const STARTED = /^enabling apic$/m;
/** `(status << 1) | 1`: all passed, some failed, everything was skipped. */
const EXIT_PASSED = 1;
const EXIT_FAILED = 3;
const EXIT_SKIPPED = (77 << 1) | 1;

/** Counts the report lines of a test program; one that did not come to its end has that as a failure of its own. */
export function judgeReportLines({ output, exitCode, timedOut }: GuestRun): Verdict {
  let [passed, skipped] = [0, 0];
  const failures: string[] = [];
  for (const line of output.split("\n")) {
    const [, outcome, what] = LINE.exec(line) ?? [];
    if (outcome === "PASS" || outcome === "XFAIL") passed++;
    else if (outcome === "SKIP") skipped++;
    else if (outcome !== undefined) failures.push(what as string);
  }
  const trouble = troubleOf(output, exitCode, timedOut);
  if (trouble !== undefined) failures.push(trouble);
  // Some programs have one test, and its outcome is how they end.
  else if (passed + skipped + failures.length === 0) {
    if (exitCode === EXIT_PASSED && STARTED.test(output)) passed++;
    else failures.push(`ended with exit code ${exitCode}`);
  }
  return { passed, skipped, failures };
}

function troubleOf(output: string, exitCode: number | undefined, timedOut: boolean): string | undefined {
  if (timedOut) return "did not come to its end";
  if (exitCode === EXIT_PASSED || exitCode === EXIT_FAILED || exitCode === EXIT_SKIPPED) return undefined;
  return /^Unhandled .*$/m.exec(output)?.[0] ?? `ended with exit code ${exitCode}`;
}

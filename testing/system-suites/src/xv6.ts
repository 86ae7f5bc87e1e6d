import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GuestRun, type TestCase, type Verdict, WHOLE_SYSTEM_TIMEOUT_S } from "./test-case.ts";

const PASSED = "ALL TESTS PASSED";
/** What `usertests`, or the kernel, says last. */
const LAST_WORDS = /ALL TESTS PASSED|panic|FAILED/;

/**
 * The kernel of xv6 for x86 that has its file system in memory, with its program `usertests`.
 * @throws Error of one line if it was not built.
 */
export function xv6(folder: string): readonly TestCase[] {
  const kernel = join(folder, "kernelmemfs");
  if (!existsSync(kernel)) throw new Error(`${kernel}: not built; docs/how-to/run-system-suites.md says how`);
  return [
    {
      suite: "xv6",
      name: "usertests",
      args: [
        ...["-m", "512", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"],
        ...["-device", "isa-vga", "-kernel", kernel],
      ],
      timeoutS: WHOLE_SYSTEM_TIMEOUT_S,
      typing: [{ after: /\$ $/, text: "usertests\n" }],
      until: LAST_WORDS,
      judge: judgeXv6,
    },
  ];
}

/** Tests say `NAME ok`, each in its own way; what fails ends the program, and everything passed if it says so. */
export function judgeXv6({ output }: Pick<GuestRun, "output">): Verdict {
  const passed = output.match(/\bok$/gm)?.length ?? 0;
  if (output.includes(PASSED)) return { passed, skipped: 0, failures: [] };
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  return { passed, skipped: 0, failures: [`stopped after: ${last}`] };
}

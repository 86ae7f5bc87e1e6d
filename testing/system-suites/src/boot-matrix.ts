import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type GuestRun, type TestCase, type Verdict, WHOLE_SYSTEM_TIMEOUT_S } from "./test-case.ts";

/** Every folder in `folder` with a Linux kernel, `vmlinuz`, and the bench guest's initial RAM disk, `initrd`. */
export function bootMatrix(folder: string): readonly TestCase[] {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "vmlinuz")));
  return names.sort().map((name) => ({
    suite: "Debian's kernels",
    name,
    args: [
      ...["-m", "256", "-nographic", "-no-reboot"],
      ...["-kernel", join(folder, name, "vmlinuz"), "-initrd", join(folder, name, "initrd")],
      ...["-append", "console=ttyS0 poweroff"],
    ],
    timeoutS: WHOLE_SYSTEM_TIMEOUT_S,
    judge: judgeBoot,
  }));
}

/** Userland was reached, and the machine turned itself off. */
export function judgeBoot({ output, exitCode }: Pick<GuestRun, "output" | "exitCode">): Verdict {
  const failures: string[] = [];
  if (!output.includes("TSVM-USERLAND-READY")) failures.push("did not come to userland");
  if (exitCode !== 0) failures.push(`did not power off: exit code ${exitCode}`);
  return { passed: 2 - failures.length, skipped: 0, failures };
}

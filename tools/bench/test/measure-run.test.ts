import { expect, test } from "vitest";
import { measureRun } from "../src/measure-run.ts";

const shell = (script: string): readonly string[] => ["/bin/sh", "-c", script];

test.runIf(process.platform === "linux")("a suite that finishes is stopped, whatever it would do after", async () => {
  const script =
    "echo TSVM-USERLAND-READY; echo BENCH-START int; echo BENCH int 0.1 ab; echo BENCH-DONE; exec sleep 60";
  const run = await measureRun(shell(script), 20);
  expect(run.trouble).toEqual([]);
  expect(run.bootS).toBeGreaterThanOrEqual(0);
  expect(run.rows.get("int")?.checksum).toBe("ab");
});

test.runIf(process.platform === "linux")("an emulator that ends early says why", async () => {
  const run = await measureRun(shell("echo 'no such machine' >&2; exit 3"), 20);
  expect(run.trouble).toEqual(["ended before the suite (exit code 3)", "no such machine"]);
});

test.runIf(process.platform === "linux")("an emulator that hangs is given up", async () => {
  const run = await measureRun(shell("sleep 60"), 1);
  expect(run.trouble[0]).toBe("not finished after 1 s");
});

test("a program that is not there is trouble, not an exception", async () => {
  const run = await measureRun(["/nonexistent/emulator"], 20);
  expect(run.trouble.join()).toContain("ENOENT");
});

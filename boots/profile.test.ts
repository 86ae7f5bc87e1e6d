// `-accel tcg,profile=on` on a whole boot: that the report is there, and that its figures can be true.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "../packages/cli/src/main.ts");

test("a boot is profiled, kernel addresses and all", async () => {
  const machine = ["-accel", "tcg,profile=on", "-append", "console=ttyS0 nokaslr poweroff", "-nographic"];
  const { stderr } = await promisify(execFile)(process.execPath, ["--conditions=@tsvm/source", main, ...machine]);
  const [, places, runs, instructions, share] =
    /profile: (\d+) places, (\d+) runs, (\d+) instructions in regions \((\d+\.\d) % of all\)/.exec(stderr) ?? [];
  expect(Number(places)).toBeGreaterThan(100);
  expect(Number(runs)).toBeGreaterThan(Number(places));
  expect(Number(instructions)).toBeGreaterThan(Number(runs));
  expect(Number(share)).toBeGreaterThan(20);
  expect(Number(share)).toBeLessThan(100);
  expect(stderr).toMatch(/\d+ {2}0xffffffff8[0-9a-f]{7}\n/);
  expect(stderr).toMatch(/\d+ {2}0xffffffff[0-9a-f]{8} {2}[A-Z0-9]+\n/);
});

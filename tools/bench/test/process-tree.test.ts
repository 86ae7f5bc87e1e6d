import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { ClockSum, descendants, ProcessTree, parseStat } from "../src/process-tree.ts";

test("a command with spaces and parentheses does not shift the fields of its stat", () => {
  const fields = Array.from({ length: 50 }, (_, i) => String(i + 3));
  const text = `42 (a) b (c) ${["S", "7", ...fields.slice(2, 21), "100", ...fields.slice(22)].join(" ")}`;
  expect(parseStat(text)).toEqual({ pid: 42, parent: 7, residentBytes: 100 * 4096 });
});

test("children of children belong to the tree, and neighbours do not", () => {
  const processes = [
    [1, 0],
    [10, 1],
    [11, 1],
    [20, 10],
    [30, 20],
    [21, 11],
  ].map(([pid = 0, parent = 0]) => ({ pid, parent, residentBytes: 0 }));
  expect(descendants(processes, 10).map(({ pid }) => pid)).toEqual([10, 20, 30]);
  expect(descendants(processes, 99)).toEqual([]);
});

test("clocks that stop or begin anew keep what they counted", () => {
  const clocks = new ClockSum();
  clocks.see("a", 5);
  clocks.see("b", 3);
  clocks.see("a", 9);
  expect(clocks.total).toBe(12);
  clocks.see("a", 1); // another thread under the number of one that has ended
  expect(clocks.total).toBe(13);
});

test.runIf(process.platform === "linux")(
  "time of a shell's child counts, and neither counts after its end",
  async () => {
    // By its own clock of the processor: on a busy host 300 ms that pass may be less than 100 of computing. Asking for it at each turn
    // would be seconds of the kernel's.
    const spin = "while (process.cpuUsage().user < 300_000) for (let i = 0; i < 1e6; i++);";
    const child = spawn("/bin/sh", ["-c", `"${process.execPath}" -e '${spin}'; read line`], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const tree = new ProcessTree(child.pid as number);
    const sampling = setInterval(() => tree.sample(), 20);
    const started = Date.now();
    while (tree.cpuSeconds() < 0.1 && Date.now() - started < 20_000) await new Promise((go) => setTimeout(go, 20));
    child.stdin.end();
    await new Promise((ended) => child.once("close", ended));
    clearInterval(sampling);
    const seconds = tree.cpuSeconds();
    expect(seconds).toBeGreaterThan(0.1);
    expect(seconds).toBeLessThan(5);
    expect(tree.peakBytes).toBeGreaterThan(10 << 20);
    tree.sample();
    expect(tree.cpuSeconds()).toBe(seconds);
  },
);

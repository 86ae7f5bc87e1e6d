import { expect, test } from "vitest";
import { runGuest } from "../src/run-guest.ts";
import type { TestCase } from "../src/test-case.ts";

const engine = { name: "node", command: [process.execPath, "-e"] };
const guest = (program: string, more: Partial<TestCase> = {}): TestCase => ({
  suite: "none",
  name: "none",
  args: [program],
  timeoutS: 20,
  judge: () => ({ passed: 0, skipped: 0, failures: [] }),
  ...more,
});

test("keeps both streams without carriage returns, and the exit code", async () => {
  const program = `process.stdout.write("out\\r\\n", () => process.stderr.write("err\\n", () => process.exit(3)))`;
  const { output, exitCode, timedOut } = await runGuest(guest(program), engine);
  expect([output.split("\n").sort(), exitCode, timedOut]).toEqual([["", "err", "out"], 3, false]);
});

test("types when it is asked to, and stops at the end of what is waited for", async () => {
  const program = `console.log("$ "); process.stdin.on("data", (text) => console.log("got " + text)); setInterval(() => {}, 1000)`;
  const typing = [{ after: /\$ /, text: "hello\n" }];
  const { output, exitCode, timedOut } = await runGuest(guest(program, { typing, until: /got hello/ }), engine);
  expect(output).toContain("got hello");
  expect([exitCode, timedOut]).toEqual([undefined, false]);
});

test("ends what does not end", async () => {
  const { timedOut, exitCode } = await runGuest(guest("setInterval(() => {}, 1000)", { timeoutS: 0.5 }), engine);
  expect([timedOut, exitCode]).toEqual([true, undefined]);
});

test.runIf(process.platform === "linux")(
  "counts seconds of the CPU, not of the clock",
  async () => {
    const { seconds: waiting } = await runGuest(guest("setTimeout(() => {}, 6000)"), engine);
    const spin = "while (process.cpuUsage().user < 2e6) for (let i = 0; i < 1e6; i++);";
    const { seconds: working } = await runGuest(guest(spin, { timeoutS: 60 }), engine);
    expect(waiting).toBeLessThan(2);
    expect(working).toBeGreaterThan(1.5);
  },
  120_000,
);

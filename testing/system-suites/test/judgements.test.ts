import { describe, expect, it } from "vitest";
import { judgeBoot } from "../src/boot-matrix.ts";
import { judgeReportLines } from "../src/judge-report-lines.ts";
import { judgeMemtest } from "../src/memtest.ts";
import type { GuestRun } from "../src/test-case.ts";
import { judgeTest386 } from "../src/test386.ts";
import { judgeXv6 } from "../src/xv6.ts";

const run = (output: string, exitCode = 1): GuestRun => ({ output, exitCode, timedOut: false, seconds: 1 });

describe("report lines of kvm-unit-tests", () => {
  it("are counted, and failures kept in words", () => {
    const output = "enabling apic\nPASS: one\nFAIL: two: 3\nSKIP: four\nXFAIL: five\nSUMMARY: 4 tests\n";
    expect(judgeReportLines(run(output, 3))).toEqual({ passed: 2, skipped: 1, failures: ["two: 3"] });
  });

  it("are not all: a program that did not come to its end has failed", () => {
    expect(judgeReportLines({ ...run("PASS: one\n"), exitCode: undefined, timedOut: true }).failures).toEqual([
      "did not come to its end",
    ]);
    const died = "PASS: one\nUnhandled exception 13 #GP(0) at ip 0\n";
    expect(judgeReportLines(run(died, 127)).failures).toEqual(["Unhandled exception 13 #GP(0) at ip 0"]);
    expect(judgeReportLines(run("PASS: one\n", 0)).failures).toEqual(["ended with exit code 0"]);
  });

  it("may be missing: then the exit code is the one test", () => {
    expect(judgeReportLines(run("enabling apic\npost fault\n"))).toEqual({ passed: 1, skipped: 0, failures: [] });
    expect(judgeReportLines(run("tsvm: -cpu: no model\n")).failures).toEqual(["ended with exit code 1"]);
    expect(judgeReportLines(run("", 3)).failures).toEqual(["ended with exit code 3"]);
  });
});

describe("xv6's usertests", () => {
  it("count by what they call ok, and all of them have to", () => {
    const output = "$ usertests\nusertests starting\nmem test\nmem ok\nopen test ok\nALL TESTS PASSED\n$ ";
    expect(judgeXv6({ output })).toEqual({ passed: 2, skipped: 0, failures: [] });
    expect(judgeXv6({ output: "mem ok\nlapicid 0: panic: trap\n" })).toEqual({
      passed: 1,
      skipped: 0,
      failures: ["stopped after: lapicid 0: panic: trap"],
    });
  });
});

describe("a kernel's boot", () => {
  it("is userland and power-off", () => {
    const output = "TSVM-USERLAND-READY 6.27 0.00\nreboot: Power down\n";
    expect(judgeBoot({ output, exitCode: 0 })).toEqual({ passed: 2, skipped: 0, failures: [] });
    expect(judgeBoot({ output, exitCode: undefined }).failures).toEqual(["did not power off: exit code undefined"]);
    expect(judgeBoot({ output: "Kernel panic", exitCode: 0 }).failures).toEqual(["did not come to userland"]);
  });
});

describe("pictures of memtest86+", () => {
  it("tell the test that runs and the errors so far", () => {
    const output = "#0  [Address test] Errors: 0 #9  [Modulo 20] Errors: 0 #10 [Bit fade test]";
    expect(judgeMemtest({ output })).toEqual({ passed: 10, skipped: 0, failures: [] });
    expect(judgeMemtest({ output: "#4  [Moving] Errors:   17" })).toEqual({
      passed: 4,
      skipped: 0,
      failures: ["stopped in test 4", "17 errors in memory"],
    });
    expect(judgeMemtest({ output: "" }).failures).toEqual(["showed nothing"]);
  });
});

describe("POST codes of test386", () => {
  it("pass to FF with the results of the reference", () => {
    expect(judgeTest386({ output: "\x00\x01\xff" }, "a\r\nb\r\n", "a\nb\n")).toEqual({
      passed: 4,
      skipped: 0,
      failures: [],
    });
  });

  it("stop where a test fails", () => {
    expect(judgeTest386({ output: "\x00\x01\x1a" }, "", "a\nb\n").failures).toEqual([
      "stopped at POST 1a",
      "results differ from the reference in line 1",
    ]);
    expect(judgeTest386({ output: "\xff" }, "a\nb\nc\n", "a\nb\n").failures).toEqual([
      "results differ from the reference in line 3",
    ]);
    expect(judgeTest386({ output: "" }, "", "").failures).toEqual(["stopped at POST nothing"]);
  });
});

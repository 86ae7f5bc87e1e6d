import { expect, test } from "vitest";
import { parseSuiteLine, SuiteConsole, type SuiteEvent } from "../src/suite-console.ts";

test("each line of the suite is an event", () => {
  expect(parseSuiteLine("TSVM-USERLAND-READY 3.21 2.90\r")).toEqual({ kind: "ready" });
  expect(parseSuiteLine("BENCH-START matmul_d")).toEqual({ kind: "row-started", row: "matmul_d" });
  expect(parseSuiteLine("BENCH matmul_d 0.726 948bfa9e8b8890cf\r")).toEqual({
    kind: "row-done",
    row: "matmul_d",
    guestS: 0.726,
    checksum: "948bfa9e8b8890cf",
  });
  expect(parseSuiteLine("BENCH-DONE uptime 3.2 -> 23.5")).toEqual({ kind: "finished" });
});

test("trouble of suite and kernel is told, and nothing else", () => {
  for (const line of [
    "BENCH-FAIL x87 rc=1",
    "BENCH-ERROR cannot mount /dev/vda",
    "[ 1.0] Kernel panic - not syncing",
  ]) {
    expect(parseSuiteLine(line)).toEqual({ kind: "trouble", line });
  }
  for (const line of [
    "",
    "BENCH-BEGIN pct=100 x86_64",
    "BENCH int",
    "BENCH int x 12",
    "[    0.000000] Linux version",
  ]) {
    expect(parseSuiteLine(line)).toBeUndefined();
  }
});

test("escape sequences around a line are not of it", () => {
  expect(parseSuiteLine("\u001b[?7l\u001b[0mBENCH-START int")).toEqual({ kind: "row-started", row: "int" });
});

test("lines come in any pieces", () => {
  const text = "noise\r\nTSVM-USERLAND-READY 1\r\nBENCH-START int\r\nBENCH int 0.5 ab\r\nBENCH-DO";
  for (const size of [1, 7, text.length]) {
    const events: SuiteEvent[] = [];
    const console_ = new SuiteConsole((event) => events.push(event));
    for (let i = 0; i < text.length; i += size) console_.write(new TextEncoder().encode(text.slice(i, i + size)));
    expect(events.map(({ kind }) => kind)).toEqual(["ready", "row-started", "row-done"]);
  }
});

test("a console that never ends a line does not fill memory, and is read on", () => {
  const events: SuiteEvent[] = [];
  const console_ = new SuiteConsole((event) => events.push(event));
  for (let i = 0; i < 100; i++) console_.write(new Uint8Array(10_000).fill(0x78));
  console_.write(new TextEncoder().encode("\nBENCH-DONE\n"));
  expect(events).toEqual([{ kind: "finished" }]);
});

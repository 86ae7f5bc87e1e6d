import { describe, expect, test } from "vitest";
import { runCommand } from "./command-line.ts";

describe("table", () => {
  test("prints guest pages down, host pages across", () => {
    expect(runCommand(["table"]).output).toBe(
      "guest   native  4K      2M      1G\n4K      4       24      19      14\n2M      3       19      15      11\n1G      2       14      11      8\n",
    );
  });

  test("--json gives rows", () => {
    const rows: unknown = JSON.parse(runCommand(["table", "--json"]).output);
    expect(rows).toHaveLength(12);
    expect(rows).toContainEqual({ guest: "4K", host: "4K", refs: 24 });
    expect(rows).toContainEqual({ guest: "1G", host: "native", refs: 2 });
  });

  test("takes levels", () => {
    const rows: unknown = JSON.parse(
      runCommand(["table", "--json", "--guest-levels", "5", "--host-levels", "5"]).output,
    );
    expect(rows).toContainEqual({ guest: "4K", host: "4K", refs: 35 });
  });
});

test("walk tells every reference and where the page is", () => {
  const lines = runCommand(["walk", "--guest", "2M", "--host", "4K"]).output.trimEnd().split("\n");
  expect(lines).toHaveLength(1 + 19 + 1);
  expect(lines[1]).toMatch(/^ {2}1 {2}host {3}level 4 {2}hpa 0x[0-9a-f]+, for guest level 4$/);
  expect(lines[5]).toMatch(/^ {2}5 {2}guest {2}level 4 {2}gpa 0x17f0, found at hpa 0x2000017f0$/);
  expect(lines[19]).toMatch(/level 1 .* for the page$/);
  expect(lines[20]).toBe("19 references, then the page: hpa 0x240000000");
  expect(runCommand(["walk", "--host", "native"]).output).toMatch(/4 references/);
});

test.each([
  [["tabel"], /no command "tabel"/],
  [["table", "--guest", "4K"], /no option "--guest"/],
  [["walk", "--guest", "8K"], /--guest must be 4K or 2M or 1G/],
  [["walk", "--host"], /--host must be/],
])("%j is refused in one line", (args, message) => {
  const { output, error, exitCode } = runCommand(args);
  expect(output).toBe("");
  expect(error).toMatch(message);
  expect(error.trimEnd().split("\n")).toHaveLength(1);
  expect(exitCode).toBe(2);
});

test("without a command it tells how to use it", () => {
  expect(runCommand([])).toMatchObject({ exitCode: 0, output: expect.stringContaining("usage") });
});

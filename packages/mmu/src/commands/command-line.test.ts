import { describe, expect, test } from "vitest";
import type { CommandResult, Terminal } from "./command.ts";
import { runCommand } from "./command-line.ts";

const terminal: Terminal = { progress: () => {}, pause: async () => {}, isInterrupted: false };
const run = (...args: readonly string[]): Promise<CommandResult> => runCommand(args, terminal);

describe("table", () => {
  test("prints guest pages down, host pages across", async () => {
    expect((await run("table")).output).toBe(
      "guest   native  4K      2M      1G\n4K      4       24      19      14\n2M      3       19      15      11\n1G      2       14      11      8\n",
    );
  });

  test("--json gives rows", async () => {
    const rows: unknown = JSON.parse((await run("table", "--json")).output);
    expect(rows).toHaveLength(12);
    expect(rows).toContainEqual({ guest: "4K", host: "4K", refs: 24 });
    expect(rows).toContainEqual({ guest: "1G", host: "native", refs: 2 });
  });

  test("takes levels", async () => {
    const { output } = await run("table", "--json", "--guest-levels", "5", "--host-levels", "5");
    expect(JSON.parse(output)).toContainEqual({ guest: "4K", host: "4K", refs: 35 });
  });
});

describe("walk", () => {
  const numbered = (output: string): readonly string[] => output.split("\n").filter((line) => /^ *\d+ {2}/.test(line));

  test("explains every reference, what it asks for and what it finds", async () => {
    const { output } = await run("walk", "--guest", "2M", "--host", "4K");
    const lines = numbered(output);
    expect(lines).toHaveLength(19);
    expect(lines[0]).toMatch(/^ {2}1 {2}host {3}level 4 {2}hpa 0x[0-9a-f]+ +-> table at hpa 0x[0-9a-f]+$/);
    expect(lines[4]).toMatch(
      /^ {2}5 {2}guest {2}level 4 {2}gpa 0x17f0, found at hpa 0x2000017f0 +-> table at gpa 0x2000$/,
    );
    expect(lines[14]).toMatch(/^ 15 {2}guest {2}level 2 .*-> page at gpa 0x40000000$/);
    expect(output).toContain("the guest's PML4E is at gpa 0x17f0; the EPT says where that is:");
    expect(output).toContain("PML4E 254, PDPTE 72, PDE 418, and byte 0x167abc of the page");
    expect(output.trimEnd().split("\n").at(-1)).toBe("19 references, then the page: hpa 0x240167abc");
  });

  test.each([
    [["--host", "native"], 4],
    [["--scheme", "naive"], 24],
    [["--scheme", "npt", "--host", "1G"], 14],
    [["--scheme", "shadow"], 4],
    [["--scheme", "shadow", "--guest", "2M", "--host", "2M"], 3],
    [["--scheme", "agile", "--nested-levels", "2"], 12],
    [["--scheme", "agile", "--nested-levels", "5"], 24],
    [["--guest-levels", "5", "--host-levels", "5"], 35],
  ])("%j: %i references, numbered in text and picture", async (args, count) => {
    const { output } = await run("walk", ...args);
    expect(numbered(output)).toHaveLength(count);
    expect(output).toContain(`${count} references, then the page: hpa 0x`);
    const { output: svg } = await run("walk", "--svg", ...args);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    const numbers = [...svg.matchAll(/class="number" text-anchor="middle">(\d+)</g)].map((match) => Number(match[1]));
    expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(svg).toContain(`<title>One translation, ${count} references</title>`);
  });

  test("the picture has a row for each entry of the guest's and one for the page, a column for each level", async () => {
    const { output } = await run("walk", "--svg");
    const centres = [...output.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="21" class="box"/g)];
    expect(new Set(centres.map((match) => match[1])).size).toBe(5);
    expect(new Set(centres.map((match) => match[2])).size).toBe(5);
  });
});

test.each([
  [["tabel"], /no command "tabel"; there are table, walk/],
  [["toString"], /no command "toString"/],
  [["table", "--guest", "4K"], /no option "--guest"; there are --json/],
  [["table", "now"], /takes options only, not "now"/],
  [["walk", "--guest", "8K"], /--guest is 4K, 2M or 1G, not "8K"/],
  [["walk", "--host"], /--host needs a value: 4K, 2M, 1G or native/],
  [["walk", "--host", "native", "--scheme", "ept"], /exclude each other/],
  [["walk", "--nested-levels", "2"], /is for --scheme agile/],
  [["walk", "--scheme", "agile", "--nested-levels", "6"], /at most 5, not 6/],
])("%j is refused in one line", async (args, message) => {
  const { output, error, exitCode } = await run(...args);
  expect(output).toBe("");
  expect(error).toMatch(message);
  expect(error.trimEnd().split("\n")).toHaveLength(1);
  expect(exitCode).toBe(1);
});

test("without a command it tells how to use it", async () => {
  expect(await run()).toMatchObject({ exitCode: 0, output: expect.stringContaining("tsvm-mmu table [--json]") });
  expect((await run("walk", "--help")).output).toMatch(/^tsvm-mmu walk /);
});

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import type { SimulationReport } from "../sim/report.ts";
import type { Terminal } from "./command.ts";
import { runCommand } from "./command-line.ts";

// Two instructions, a page each of data read and written, as valgrind prints them.
const LACKEY = "==1== Lackey\nI  00401000,4\n L 1000,8\nI  00401004,4\n S 2000,8\n";

function terminalOf(
  files: Readonly<Record<string, string>> = {},
  interruptedAfter = Number.POSITIVE_INFINITY,
): Terminal {
  let pauses = 0;
  return {
    progress: () => {},
    pause: async () => {
      pauses++;
    },
    get isInterrupted() {
      return pauses > interruptedAfter;
    },
    files: {
      open: async (path) => {
        const bytes = new TextEncoder().encode(files[path]);
        return {
          chunks: (async function* () {
            yield bytes;
          })(),
          bytes: bytes.length,
          bytesRead: () => bytes.length,
        };
      },
    },
  };
}

const sim = (args: readonly string[], terminal = terminalOf()): ReturnType<typeof runCommand> =>
  runCommand(["sim", ...args], terminal);
const reported = async (args: readonly string[], terminal = terminalOf()): Promise<SimulationReport> =>
  JSON.parse((await sim([...args, "--json"], terminal)).output);

test("a trace is recognised, and counted under the scheme asked for", async () => {
  const files = { trace: LACKEY };
  const report = await reported(["trace", "--scheme", "shadow", "--guest-pages", "2M"], terminalOf(files));
  expect(report).toMatchObject({ scheme: "shadow", guestPages: "2M", accesses: 4, memory: { pages: 2 } });
  const { output } = await sim(["trace"], terminalOf(files));
  expect(output).toMatch(/^ept, guest pages of 4K on host pages of 4K\naccesses +4\nL1 TLB hits +1 {2}25\.00 %\n/);
});

test("--format wins over what the file looks like", async () => {
  const { error } = await sim(["trace", "--format", "pin"], terminalOf({ trace: LACKEY }));
  expect(error).toBe(
    'tsvm-mmu: pin trace, byte 0: expected a line such as "0x401026: R 0x7fff0010", found "==1== Lackey"\n',
  );
});

test("structures are of the size asked for, or not there", async () => {
  const args = ["--workload", "random", "--bytes", "64K", "--accesses", "4K", "--warm-up", "4K"];
  expect(await reported([...args, "--tlb", "4K=16"])).toMatchObject({ accesses: 4096, l1Hits: 4096, walks: 0 });
  const none = ["--tlb", "none", "--walk-cache", "none", "--host-walk-cache", "none", "--nested-tlb", "none"];
  expect(await reported([...args, ...none, "--caches", "10"])).toMatchObject({
    walks: 4096,
    referencesPerWalk: 24,
    cyclesPerAccess: 240,
  });
});

test("Ctrl-C tells what was done", async () => {
  const { output, error, exitCode } = await sim(["--workload", "zipf", "--accesses", "10M"], terminalOf({}, 1));
  expect(output).toMatch(/accesses +32768\n/);
  expect(error).toMatch(/^tsvm-mmu: interrupted after 32768 records\n$/);
  expect(exitCode).toBe(130);
});

test.each([
  [[], /sim takes a trace file or --workload/],
  [["trace", "--workload", "zipf"], /sim takes a trace file or --workload/],
  [["--workload", "zipf", "--tlb", "4K=64/5"], /64 entries cannot have 5 ways; 1, 2, 4, 8, 16, 32, 64 are possible/],
  [["--workload", "zipf", "--tlb", "4K=1:4K=1:4K=1"], /--tlb cannot read ".*"; it takes .*, with two levels at most/],
  [["--workload", "zipf", "--tlb", "64"], /--tlb cannot read "64"; it takes 4K\+2M=64\/4/],
  [["--workload", "zipf", "--tlb", "8K=64"], /pages must be of 4K, 2M, 4M, 1G, not 8K/],
  [["--workload", "zipf", "--walk-cache", "6=2"], /--walk-cache cannot read "6=2"/],
  [["--workload", "zipf", "--caches", "32K@4"], /--caches cannot read/],
  [["--workload", "zipf", "--caches", "32K/8@4,x"], /--caches cannot read/],
  [["--workload", "zipf", "--nested-tlb", "4K=3/2"], /3 entries cannot have 2 ways/],
  [["--workload", "zipf", "--accesses", "many"], /--accesses takes a number such as 64, 10K or 1\.5M, not "many"/],
  [["--workload", "zipf", "--bytes", "1"], /bytes must be from 65536/],
  [["empty"], /empty is empty/],
])("%j is refused in one line", async (args, message) => {
  const { output, error, exitCode } = await sim(args, terminalOf({ empty: "" }));
  expect(output).toBe("");
  expect(error).toMatch(message);
  expect(error.trimEnd().split("\n")).toHaveLength(1);
  expect(exitCode).toBe(1);
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsvm-mmu-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const main = join(import.meta.dirname, "../main.ts");
  const run = (path: string, input?: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ["--conditions=@tsvm/source", main, "sim", path, "--json"], {
      input,
      encoding: "utf8",
    });
  const file = (name: string, bytes: string | Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const packed = gzipSync(LACKEY);

  test("plain, packed by gzip or xz, or the standard input are the same", () => {
    const plain = run(file("plain", LACKEY));
    expect(JSON.parse(plain.stdout as string)).toMatchObject({ accesses: 4 });
    expect(run(file("trace.gz", packed)).stdout).toBe(plain.stdout);
    expect(run(file("trace.xz", execFileSync("xz", ["-c"], { input: LACKEY }))).stdout).toBe(plain.stdout);
    expect(run("-", LACKEY).stdout).toBe(plain.stdout);
  });

  test.each<[string, () => string, RegExp]>([
    ["missing", () => join(folder, "nowhere"), /cannot read .*nowhere: there is no such file\n$/],
    ["a directory", () => folder, /cannot read .*: it is a directory\n$/],
    ["cut gzip", () => file("cut.gz", packed.subarray(0, 40)), /beyond byte 40 of the file: unexpected end of file\n$/],
    [
      "cut xz",
      () => file("cut.xz", execFileSync("xz", ["-c"], { input: LACKEY }).subarray(0, 60)),
      /xz says it is damaged or cut short\n$/,
    ],
  ])("%s: one line", (_name, path, message) => {
    const { stderr, status } = run(path());
    expect(stderr).toMatch(message);
    expect((stderr as string).trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(1);
  });
});

// Where the host's processor spends its time in functions that V8 compiled, regions among them, and on which of their
// instructions. docs/how-to/profile-host-code.md.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { attribute, readJitdump, type Sampled } from "./jitdump.ts";

const USAGE = `host-code PERF.DATA JITDUMP [--top N] [--list N]
  --top N   functions to name (20)
  --list N  disassembles function N of these, from 0, samples in front of each instruction`;
/** What a program says of an error is ours to say. */
const QUIET = { maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"] };

function run(options: { top?: string; list?: string }, [data, dump]: readonly string[]): void {
  const addresses = execFileSync("perf", ["script", "-i", data as string, "-F", "ip"], QUIET)
    .toString()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => Number.parseInt(word, 16));
  const functions = attribute(readJitdump(readFileSync(dump as string)), addresses);
  if (options.list !== undefined) {
    const listed = functions[Number(options.list)];
    if (listed === undefined) throw new RangeError(`--list ${options.list}: there are ${functions.length} functions`);
    console.log(listing(listed));
  } else
    for (const [i, { load, total }] of functions.slice(0, Number(options.top ?? 20)).entries()) {
      const share = ((100 * total) / addresses.length).toFixed(1).padStart(5);
      console.log(`${String(i).padStart(3)} ${share} % ${String(load.code.length).padStart(7)} bytes  ${load.name}`);
    }
}

function listing({ load, samples }: Sampled): string {
  const folder = mkdtempSync(join(tmpdir(), "host-code-"));
  try {
    const file = join(folder, "code");
    writeFileSync(file, load.code);
    const how = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn"];
    const text = execFileSync("objdump", [...how, `--adjust-vma=${load.address}`, file], QUIET);
    return text
      .toString()
      .split("\n")
      .filter((line) => /^\s*[0-9a-f]+:/.test(line))
      .map((line) => `${String(samples.get(Number.parseInt(line, 16)) ?? "").padStart(6)} ${line}`)
      .join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

try {
  const { values, positionals } = parseArgs({
    options: { top: { type: "string" }, list: { type: "string" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (values.help || positionals.length !== 2) console.log(USAGE);
  else run(values, positionals);
  if (!values.help && positionals.length !== 2) process.exitCode = 1;
} catch (error) {
  const { message, stderr } = error as Error & { stderr?: Buffer };
  console.error(`host-code: ${(stderr?.toString() || message).split("\n")[0]}`);
  process.exitCode = 1;
}

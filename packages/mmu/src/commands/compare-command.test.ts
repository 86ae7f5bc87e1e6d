import { expect, test } from "vitest";
import type { CommandResult, Terminal } from "./command.ts";
import { runCommand } from "./command-line.ts";

const terminal: Terminal = { progress: () => {}, pause: async () => {}, isInterrupted: false };
const run = (...args: readonly string[]): Promise<CommandResult> => runCommand(args, terminal);

interface Point {
  readonly sweep: string;
  readonly scheme: string;
  readonly x: number;
  readonly cyclesPerAccess: number;
}

test("beyond the reach of the TLB, EPT costs more and shadow tables what native ones cost", async () => {
  const { output } = await run(
    "compare",
    "--sweep",
    "reach",
    "--schemes",
    "native,ept,shadow",
    "--accesses",
    "8K",
    "--json",
  );
  const points = JSON.parse(output) as readonly Point[];
  const at = (scheme: string, mib: number): number =>
    points.find((point) => point.scheme === scheme && point.x === mib)?.cyclesPerAccess ?? Number.NaN;
  expect(at("ept", 1)).toBeCloseTo(at("native", 1), 5);
  expect(at("shadow", 32)).toBeCloseTo(at("native", 32), 1);
  expect(at("ept", 32)).toBeGreaterThan(1.3 * at("native", 32));
});

test("with table churn, shadow tables cost more the more there is, and EPT little", async () => {
  const { output } = await run("compare", "--sweep", "churn", "--schemes", "ept,shadow", "--accesses", "4K", "--json");
  const points = JSON.parse(output) as readonly Point[];
  const ratios = points
    .filter(({ scheme }) => scheme === "shadow")
    .map(({ x, cyclesPerAccess }) => {
      return (
        cyclesPerAccess /
        (points.find((point) => point.scheme === "ept" && point.x === x)?.cyclesPerAccess ?? Number.NaN)
      );
    });
  expect(Math.min(...ratios)).toBeGreaterThan(1);
  expect(ratios.at(-1)).toBeGreaterThan(5);
});

test("draws a curve for each scheme, and prints a row for each point", async () => {
  const args = ["compare", "--sweep", "churn", "--schemes", "native,ept", "--accesses", "1K"];
  const { output: svg } = await run(...args, "--svg");
  expect(svg).toMatch(/^<svg /);
  expect(svg.match(/class="curve" stroke-width="[\d.]+" d="M[^"]*L/g)).toHaveLength(2);
  expect(svg).not.toContain("NaN");
  const { output: text } = await run(...args);
  expect(text.trimEnd().split("\n")).toHaveLength(2 + 1 + 5);
});

test("Ctrl-C ends it with what was done", async () => {
  let pauses = 0;
  const stopped: Terminal = {
    progress: () => {},
    pause: async () => void pauses++,
    get isInterrupted() {
      return pauses > 4;
    },
  };
  const result = await runCommand(["compare", "--accesses", "1K", "--json"], stopped);
  expect(result.exitCode).toBe(130);
  expect(result.error).toMatch(/interrupted after 2 simulations/);
  expect(JSON.parse(result.output)).toHaveLength(2);
});

test("paper: the trends of the EPT study come out", async () => {
  const { output } = await run("paper", "vmware2009", "--json");
  const rows = JSON.parse(output) as readonly { readonly sides: readonly { readonly percent: number }[] }[];
  const [application, mmap, fork, small, large] = rows.map(({ sides }) => sides[0]?.percent ?? Number.NaN);
  expect(application).toBeGreaterThan(20);
  expect(application).toBeLessThan(100);
  expect(Math.min(mmap as number, fork as number)).toBeGreaterThan(300);
  expect(small).toBeLessThan(-5);
  expect(Math.abs(large as number)).toBeLessThan(2);
});

test("paper: walk caches in two dimensions are worth tens of per cent", async () => {
  const { output } = await run("paper", "bhargava2008");
  const ours = [...output.matchAll(/ours +walk caches \+(\d+) %/g)].map((match) => Number(match[1]));
  expect(ours).toHaveLength(2);
  for (const percent of ours) expect(percent).toBeGreaterThan(14);
});

test.each([
  [["compare", "--schemes", "ept,xpt"], /no scheme "xpt"; there are native/],
  [["compare", "--accesses", "many"], /--accesses takes a number such as 64K, not "many"/],
  [["paper"], /paper takes vmware2009, bhargava2008, agile2016/],
  [["paper", "knuth1968"], /not "knuth1968"/],
])("%j is refused in one line", async (args, message) => {
  const { error, exitCode } = await run(...args);
  expect(error).toMatch(message);
  expect(exitCode).toBe(1);
});

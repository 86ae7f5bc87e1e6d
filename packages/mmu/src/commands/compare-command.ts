import type { PageSize } from "../lab/demonstration.ts";
import type { SimulationReport } from "../sim/report.ts";
import { SIMULATED_SCHEMES, type SimulatedScheme } from "../sim/scheme-machine.ts";
import type { WorkloadOptions } from "../workload/workload.ts";
import { type Command, type CommandResult, fail, type Terminal } from "./command.ts";
import { parseSize } from "./geometry-text.ts";
import { type Measurement, measure, type Progress, recordsOf } from "./measure.ts";
import { drawPanels, type Panel } from "./plot-svg.ts";
import { RECENT, reachOf } from "./processors.ts";

const MIB = 2 ** 20;
const DEFAULT_SCHEMES = "native,ept,shadow,agile";
const DEFAULT_ACCESSES = "32K";

/** Records until agile paging's hypervisor has seen which tables are at rest: some intervals of its policy. */
const AGILE_SETTLED = 66_000;

/** Two ways to lean on a memory system, each with what is varied. */
const SWEEPS = {
  /** mmap, touch, unmap, with so many accesses to memory that the TLB holds in between. */
  churn: {
    title: "Table churn",
    x: "page-table stores per 1000 accesses",
    values: [10_000, 3_000, 1_000, 300, 100],
    workload: (quiet: number): WorkloadOptions => ({ name: "mmap", bytes: 2 * MIB, pages: 16, quiet }),
  },
  /** A chain of reads through every page of so many bytes, again and again. */
  reach: {
    title: "TLB reach",
    x: "memory accessed, MiB",
    values: [1, 2, 4, 8, 16, 32, 64],
    workload: (mib: number): WorkloadOptions => ({ name: "pointer-chase", bytes: mib * MIB, writes: 0 }),
  },
} as const;
type SweepName = keyof typeof SWEEPS;

/** One simulation of a sweep. */
interface Point {
  readonly sweep: SweepName;
  readonly scheme: SimulatedScheme;
  readonly x: number;
  readonly cyclesPerAccess: number;
  readonly report: SimulationReport;
}

/** `tsvm-mmu compare`. */
export const compareCommand: Command = {
  usage: "[--schemes LIST] [--sweep churn|reach] [--guest SIZE] [--host SIZE] [--accesses N] [--svg | --json]",
  summary: `cycles of translation an access against table churn and TLB reach, for schemes side by side
    LIST is any of ${SIMULATED_SCHEMES.join(",")}; default ${DEFAULT_SCHEMES}; --svg draws, --json has every count`,
  options: {
    "--schemes": "text",
    "--sweep": Object.keys(SWEEPS),
    "--guest": ["4K", "2M", "1G"],
    "--host": ["4K", "2M", "1G"],
    "--accesses": "text",
    "--svg": "flag",
    "--json": "flag",
  },
  run: async (options, _operands, terminal) => {
    const schemes = (options.get("--schemes") ?? DEFAULT_SCHEMES).split(",");
    const unknown = schemes.find((name) => !(SIMULATED_SCHEMES as readonly string[]).includes(name));
    if (unknown !== undefined) return fail(`no scheme "${unknown}"; there are ${SIMULATED_SCHEMES.join(", ")}`);
    const text = options.get("--accesses") ?? DEFAULT_ACCESSES;
    const accesses = parseSize(text);
    if (!Number.isInteger(accesses) || accesses < 1)
      return fail(`--accesses takes a number such as 64K, not "${text}"`);
    const only = options.get("--sweep") as SweepName | undefined;
    const sweeps = only === undefined ? (Object.keys(SWEEPS) as SweepName[]) : [only];
    const points = await sweep(sweeps, schemes as SimulatedScheme[], accesses, options, terminal);
    return resultOf(sweeps, points, options, terminal);
  },
};

async function sweep(
  sweeps: readonly SweepName[],
  schemes: readonly SimulatedScheme[],
  accesses: number,
  options: ReadonlyMap<string, string>,
  terminal: Terminal,
): Promise<readonly Point[]> {
  const guestPages = (options.get("--guest") ?? "4K") as PageSize;
  const hostPages = (options.get("--host") ?? "4K") as PageSize;
  const plan = sweeps.flatMap((name) =>
    SWEEPS[name].values.flatMap((value) =>
      schemes.map((scheme) => {
        const workload = SWEEPS[name].workload(value);
        const pages = (workload.bytes ?? 0) / 0x1000;
        // Every page touched, caches and policies settled, and some rounds of churn, before counting begins.
        const settled = scheme === "agile" ? AGILE_SETTLED : Math.ceil(accesses / 2);
        const warmUp = settled + 2 * (name === "reach" ? pages : value);
        const counted = name === "churn" ? Math.max(accesses, 2 * value) : accesses;
        const measurement: Measurement = {
          ...{ options: { scheme, guestPages, hostPages, ...RECENT }, workload },
          ...{ warmUp, accesses: counted },
        };
        return { name, value, scheme, measurement };
      }),
    ),
  );
  const progress: Progress = { done: 0, total: recordsOf(plan.map(({ measurement }) => measurement)) };
  const points: Point[] = [];
  for (const { name, value, scheme, measurement } of plan) {
    const report = await measure(measurement, terminal, progress);
    if (report === undefined) break;
    const x = name === "churn" ? (1000 * report.events.tableStores) / report.accesses : value;
    points.push({ sweep: name, scheme, x, cyclesPerAccess: report.cyclesPerAccess, report });
  }
  terminal.progress("");
  return points;
}

function resultOf(
  sweeps: readonly SweepName[],
  points: readonly Point[],
  options: ReadonlyMap<string, string>,
  { isInterrupted }: Terminal,
): CommandResult {
  const pages = `guest pages of ${options.get("--guest") ?? "4K"} on host pages of ${options.get("--host") ?? "4K"}`;
  const output = options.has("--json")
    ? `${JSON.stringify(points)}\n`
    : options.has("--svg")
      ? drawPanels(
          "What translation costs",
          `cycles an access; ${pages}`,
          sweeps.map((name) => panelOf(name, points)),
        )
      : sweeps.map((name) => printSweep(name, points, pages)).join("\n");
  if (!isInterrupted) return { output, error: "", exitCode: 0 };
  return { output, error: `tsvm-mmu: interrupted after ${points.length} simulations\n`, exitCode: 130 };
}

/** Below this many cycles an access a curve is drawn at it: the axis has no zero. */
const LEAST_CYCLES = 0.01;

function panelOf(name: SweepName, points: readonly Point[]): Panel {
  const { title, x } = SWEEPS[name];
  const own = points.filter(({ sweep: of }) => of === name);
  const series = [...new Set(own.map(({ scheme }) => scheme))].map((scheme) => ({
    name: scheme,
    points: own
      .filter((point) => point.scheme === scheme)
      .map((point) => [point.x, Math.max(LEAST_CYCLES, point.cyclesPerAccess)] as const),
  }));
  const mark = name === "reach" ? { mark: { x: reachOf(RECENT) / MIB, text: "TLB reach" } } : {};
  return { title, x, y: "cycles of translation an access", series, ...mark };
}

function printSweep(name: SweepName, points: readonly Point[], pages: string): string {
  const { title, x } = SWEEPS[name];
  const own = points.filter(({ sweep: of }) => of === name);
  const schemes = [...new Set(own.map(({ scheme }) => scheme))];
  const rows = SWEEPS[name].values.flatMap((_, i) => {
    const row = own.slice(i * schemes.length, (i + 1) * schemes.length);
    const [first] = row;
    if (first === undefined) return [];
    return [[figure(first.x), ...row.map(({ cyclesPerAccess }) => figure(cyclesPerAccess))]];
  });
  const lines = [[x, ...schemes], ...rows].map(([head = "", ...cells]) => {
    return `${head.padEnd(38)}${cells.map((cell) => cell.padStart(11)).join("")}`;
  });
  return `${title}: cycles of translation an access, ${pages}\n\n${lines.join("\n")}\n`;
}

/** Three digits are as many as a simulation is good for. */
function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

import type { SimulationReport } from "../sim/report.ts";
import { type Command, fail } from "./command.ts";
import { type Measurement, measure, recordsOf } from "./measure.ts";
import { PAPER_PRESETS, type PaperPreset, type PresetRow } from "./paper-presets.ts";

/** Cycles an access takes beside its translation: instructions between two of them, and data. Chosen, not measured. */
const WORK_CYCLES = 50;
const NAMES = Object.keys(PAPER_PRESETS);

/** What came of one row. */
interface Result {
  readonly name: string;
  readonly published: string;
  /** By the sides' names: cycles an access, work included, and per cent as the preset measures. */
  readonly sides: readonly { readonly name: string; readonly cyclesPerAccess: number; readonly percent: number }[];
}

/** `tsvm-mmu paper`. */
export const paperCommand: Command = {
  usage: `${NAMES.join("|")} [--json]`,
  summary: `a published comparison made again: the paper's figure beside ours; work beside translation is ${WORK_CYCLES} cycles an access`,
  options: { "--json": "flag" },
  operands: 1,
  run: async (options, [name], terminal) => {
    const preset = name !== undefined && Object.hasOwn(PAPER_PRESETS, name) ? PAPER_PRESETS[name] : undefined;
    if (preset === undefined)
      return fail(`paper takes ${NAMES.join(", ")}${name === undefined ? "" : `, not "${name}"`}`);
    const plan = preset.rows.map(measurementsOf);
    const progress = { done: 0, total: recordsOf(plan.flat()) };
    const results: Result[] = [];
    for (const [i, row] of preset.rows.entries()) {
      const reports: SimulationReport[] = [];
      for (const measurement of plan[i] as readonly Measurement[]) {
        const report = await measure(measurement, terminal, progress);
        if (report !== undefined) reports.push(report);
      }
      if (terminal.isInterrupted) break;
      results.push(resultOf(preset, row, reports));
    }
    terminal.progress("");
    const output = options.has("--json") ? `${JSON.stringify(results)}\n` : print(preset, results);
    if (!terminal.isInterrupted) return { output, error: "", exitCode: 0 };
    return { output, error: `tsvm-mmu: interrupted after ${results.length} rows\n`, exitCode: 130 };
  },
};

function measurementsOf({ workload, accesses, sides, ...row }: PresetRow): readonly Measurement[] {
  const { bytes = 0, quiet = 0 } = workload;
  const { warmUp = Math.max(accesses, (2 * bytes) / 0x1000, 2 * quiet) } = row;
  return sides.map(({ options }) => ({ options, workload, warmUp, accesses }));
}

function resultOf({ measure: kind }: PaperPreset, row: PresetRow, reports: readonly SimulationReport[]): Result {
  const times = reports.map(({ cyclesPerAccess }) => cyclesPerAccess + WORK_CYCLES);
  const first = times[0] as number;
  const second = times[1] as number;
  const sides = row.sides.map(({ name }, i) => {
    const own = times[i] as number;
    const percent =
      kind === "time beyond the first's" ? (own / first - 1) * 100 : i === 0 ? (second / first - 1) * 100 : 0;
    return { name, cyclesPerAccess: own, percent };
  });
  return { name: row.name, published: row.published, sides };
}

function print(preset: PaperPreset, results: readonly Result[]): string {
  const lines = results.map(({ name, published, sides }) => {
    const cycles = sides.map((side) => `${side.name} ${side.cyclesPerAccess.toFixed(1)}`).join(", ");
    const ours =
      preset.measure === "time beyond the first's"
        ? sides
            .slice(1)
            .map((side) => `${side.name} ${percent(side.percent)}`)
            .join(", ")
        : `${sides[0]?.name} ${percent(sides[0]?.percent ?? 0)}`;
    return `${name}\n    published  ${published}\n    ours       ${ours}\n               (cycles an access: ${cycles})\n`;
  });
  return `${preset.source}\n${preset.url}\nper cent: ${preset.measure}\n\n${lines.join("\n")}`;
}

function percent(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(0)} %`;
}

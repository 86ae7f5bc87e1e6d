import type { SimulationReport } from "../sim/report.ts";
import { createSimulation, type SimulationOptions } from "../sim/simulation.ts";
import { TraceBatch } from "../trace/batch.ts";
import { createWorkload, type WorkloadOptions } from "../workload/workload.ts";
import type { Terminal } from "./command.ts";
import { progressBar } from "./progress-bar.ts";

/** One simulation to be made. */
export interface Measurement {
  readonly options: SimulationOptions;
  readonly workload: WorkloadOptions;
  /** Records before counting begins, and counted. */
  readonly warmUp: number;
  readonly accesses: number;
}

/** How far the whole of it is. */
export interface Progress {
  done: number;
  readonly total: number;
}

/** Records between two looks at the terminal. */
const PAUSE_RECORDS = 2 ** 16;

/** Records that measurements take together, for {@link Progress}. */
export function recordsOf(measurements: readonly Measurement[]): number {
  return measurements.reduce((sum, { warmUp, accesses }) => sum + warmUp + accesses, 0);
}

/** Makes one simulation. @returns undefined if it was interrupted. */
export async function measure(
  { options, workload, warmUp, accesses }: Measurement,
  terminal: Terminal,
  progress: Progress,
): Promise<SimulationReport | undefined> {
  const simulation = createSimulation(options);
  const records = createWorkload(workload);
  const batch = new TraceBatch();
  for (const [phase, count] of [warmUp, accesses].entries()) {
    if (phase === 1) simulation.forget();
    for (let done = 0; done < count; done += batch.capacity) {
      if (done % PAUSE_RECORDS === 0) {
        terminal.progress(progressBar(progress.done / progress.total));
        await terminal.pause();
        if (terminal.isInterrupted) return undefined;
      }
      batch.length = 0;
      records.fill(batch);
      simulation.run(batch);
      progress.done += batch.capacity;
    }
  }
  return simulation.report();
}

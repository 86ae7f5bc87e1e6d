// Medians of the runs of one guest, and the ratios between emulators.
import type { PeerName } from "./bench-options.ts";
import type { Run } from "./measure-run.ts";
import { geometricMean, median, spread } from "./statistics.ts";

/** The name under which booting stands among the rows. */
export const BOOT = "boot";

/** All runs of each emulator on one guest; tsvm's own among them. */
export type Runs = ReadonlyMap<"tsvm" | PeerName, readonly Run[]>;

/** A figure of one emulator: the median of its runs, and their spread in parts of it. */
export interface Figure {
  readonly median: number;
  readonly spread: number;
}

/** What is said of one row, booting included. */
export interface SummaryRow {
  readonly name: string;
  readonly cpuS: ReadonlyMap<string, Figure>;
  /** tsvm's median in parts of the peer's. */
  readonly ratios: ReadonlyMap<PeerName, number>;
}

export interface Summary {
  readonly rows: readonly SummaryRow[];
  /** Over the rows of the suite, without booting. */
  readonly geometricMeans: ReadonlyMap<PeerName, number>;
  /** Most bytes resident in any run, by emulator. */
  readonly peakBytes: ReadonlyMap<string, number>;
  /** What must not be overlooked, in lines: failures, and checksums that differ. */
  readonly trouble: readonly string[];
}

export function summarize(runs: Runs): Summary {
  const peers = [...runs.keys()].filter((name) => name !== "tsvm");
  const names = new Set([...runs.values()].flat().flatMap((run) => [...run.rows.keys()]));
  const boot = summaryRow(BOOT, runs, peers, ({ bootS }) => bootS);
  const rows = [...names].map((name) => summaryRow(name, runs, peers, (run) => run.rows.get(name)?.cpuS));
  return {
    rows: [boot, ...rows],
    geometricMeans: new Map(
      peers.flatMap((peer) => {
        const mean = geometricMean(rows.flatMap(({ ratios }) => ratios.get(peer) ?? []));
        return mean === undefined ? [] : [[peer, mean] as const];
      }),
    ),
    peakBytes: new Map([...runs].map(([name, of]) => [name, Math.max(0, ...of.map(({ peakBytes }) => peakBytes))])),
    trouble: [...failures(runs), ...[...names].flatMap((name) => differences(name, runs))],
  };
}

function summaryRow(
  name: string,
  runs: Runs,
  peers: readonly PeerName[],
  secondsOf: (run: Run) => number | undefined,
): SummaryRow {
  const cpuS = new Map<string, Figure>();
  for (const [emulator, all] of runs) {
    const seconds = all.flatMap((run) => secondsOf(run) ?? []);
    const middle = median(seconds);
    if (middle !== undefined) cpuS.set(emulator, { median: middle, spread: spread(seconds) });
  }
  const own = cpuS.get("tsvm")?.median;
  const ratios = new Map<PeerName, number>();
  for (const peer of peers) {
    const theirs = cpuS.get(peer)?.median;
    if (own && theirs) ratios.set(peer, own / theirs);
  }
  return { name, cpuS, ratios };
}

const failures = (runs: Runs): readonly string[] =>
  [...runs].flatMap(([name, all]) =>
    all.flatMap((run, round) => run.trouble.map((line) => `${name}, round ${round + 1}: ${line}`)),
  );

/** The suite computes the same everywhere: one checksum a row, in all emulators and rounds. */
function differences(row: string, runs: Runs): readonly string[] {
  const found = new Map<string, Set<string>>();
  for (const [emulator, all] of runs) {
    for (const run of all) {
      const checksum = run.rows.get(row)?.checksum;
      if (checksum !== undefined) found.set(checksum, (found.get(checksum) ?? new Set()).add(emulator));
    }
  }
  if (found.size < 2) return [];
  const all = [...found].map(([checksum, emulators]) => `${checksum} (${[...emulators].join(", ")})`);
  return [`${row}: checksums differ: ${all.join(", ")}`];
}

// What `info jit` says: the translator's work and why its regions were left, from a vCPU's counters.

type Counters = Readonly<Record<string, number>>;

const SIDE_EXITS = "sideExits.";
const NAME_COLUMNS = 24;
const NUMBER_COLUMNS = 14;

/** Whole lines. Counters that the accelerator does not have count as 0. */
export function translationText(counters: Counters): string {
  const of = (name: string): number => counters[name] ?? 0;
  const made = of("regionsMade");
  const causes = Object.entries(counters)
    .filter(([name]) => name.startsWith(SIDE_EXITS))
    .sort(([, a], [, b]) => b - a);
  const exits = causes.reduce((sum, [, count]) => sum + count, 0);
  return [
    "regions",
    row("live", of("regionsLive")),
    row("made", made),
    row("dropped", of("regionsDropped")),
    row("refused", of("regionsRefused")),
    row("bytes", of("regionBytes"), `${Math.round(of("regionBytes") / Math.max(1, made))} a region`),
    "time, ms",
    ...["find", "emit", "write", "compile"].map((stage) => row(stage, Math.round(of(`${stage}Ms`)))),
    "side exits",
    row("all", exits),
    ...causes.map(([name, count]) =>
      row(name.slice(SIDE_EXITS.length), count, `${((100 * count) / exits).toFixed(1)} %`),
    ),
    "soft TLB",
    row("misses", of("tlbMisses")),
    row("entries made", of("tlbFills")),
    ...(of("regionTlbHits") === 0 ? [] : [row("hits of regions", of("regionTlbHits"))]),
    "code",
    row("instructions decoded", of("decodedInstructions")),
    row("invalidations", of("invalidations")),
    row("jump cache misses", of("lookups")),
    "ends of runs",
    row("fuel expiries", of("fuelExpiries")),
    row("yields", of("yields")),
  ].join("\n");
}

const row = (name: string, count: number, remark = ""): string =>
  `  ${name.padEnd(NAME_COLUMNS)}${String(count).padStart(NUMBER_COLUMNS)}${remark === "" ? "" : `  ${remark}`}`;

// The summary of one guest as Markdown.
import type { BenchOptions, GuestName, PeerName } from "./bench-options.ts";
import { BOOT, type Summary, type SummaryRow } from "./summary.ts";
import { PEAK_TARGET_MIB, targetsFor } from "./targets.ts";

/** Where and when it was measured: lines of "what: value". */
export type Circumstances = readonly (readonly [what: string, value: string])[];

const TITLES: Readonly<Record<"tsvm" | PeerName, string>> = {
  tsvm: "tsvm",
  qemu: "QEMU",
  v86: "v86",
  chromium: "Chromium",
};
const titleOf = (name: string): string => TITLES[name as PeerName] ?? name;

/** The whole report, with a line feed at its end. */
export function reportText(
  guest: GuestName,
  summary: Summary,
  circumstances: Circumstances,
  { percent, rounds }: Pick<BenchOptions, "percent" | "rounds">,
): string {
  const emulators = [...summary.peakBytes.keys()];
  const peers = emulators.filter((name): name is PeerName => name !== "tsvm");
  const work = percent === 100 ? "" : ` with ${percent} % of the work`;
  const lines = [
    `# Guest suite, ${guest}-bit${work}`,
    "",
    `CPU seconds of the emulator's whole process tree, compiler threads included: medians of ${rounds} runs, in turn, and half the`,
    "distance of their extremes. A ratio is tsvm's median in parts of the peer's: below 1, tsvm is faster.",
    "",
    ...circumstances.map(([what, value]) => `- ${what}: ${value}`),
    "",
    ...table([
      ["row", ...emulators.map((name) => `${titleOf(name)}, s`), ...peers.flatMap(ratioTitles)],
      ...summary.rows.map((row) => seconds(row, emulators, peers, guest)),
      ["**geometric mean**", ...emulators.map(() => ""), ...peers.flatMap((peer) => mean(peer, summary, guest))],
      ["peak RSS, MiB", ...emulators.map((name) => mebibytes(summary, name)), ...peakVerdict(summary, peers)],
    ]),
    ...(summary.trouble.length > 0 ? ["", "**Trouble**", "", ...summary.trouble.map((line) => `- ${line}`)] : []),
  ];
  return `${lines.join("\n")}\n`;
}

const ratioTitles = (peer: PeerName): readonly string[] => [`/ ${titleOf(peer)}`, "target"];

function seconds(
  row: SummaryRow,
  emulators: readonly string[],
  peers: readonly PeerName[],
  guest: GuestName,
): string[] {
  const cells = emulators.map((name) => {
    const figure = row.cpuS.get(name);
    return figure === undefined ? "-" : `${figure.median.toFixed(3)} ±${(figure.spread * 50).toFixed(0)} %`;
  });
  const ratios = peers.flatMap((peer) => {
    const targets = targetsFor(guest, peer);
    const target = row.name === BOOT ? targets?.boot : (targets?.rows[row.name] ?? targets?.anyRow);
    return withVerdict(row.ratios.get(peer), target);
  });
  return [row.name, ...cells, ...ratios];
}

const mean = (peer: PeerName, summary: Summary, guest: GuestName): readonly string[] =>
  withVerdict(summary.geometricMeans.get(peer), targetsFor(guest, peer)?.geometricMean);

/** A ratio, and what it was to be. */
function withVerdict(ratio: number | undefined, target: number | undefined): readonly string[] {
  if (ratio === undefined) return ["-", ""];
  return [ratio.toFixed(2), target === undefined ? "" : verdict(ratio, target)];
}

const verdict = (value: number, target: number): string =>
  value <= target ? `≤ ${target} met` : `≤ ${target} **missed**`;

const mebibytes = (summary: Summary, name: string): string => ((summary.peakBytes.get(name) ?? 0) / 1048576).toFixed(0);

function peakVerdict(summary: Summary, peers: readonly PeerName[]): readonly string[] {
  const text = verdict((summary.peakBytes.get("tsvm") ?? 0) / 1048576, PEAK_TARGET_MIB);
  return peers.flatMap((_, i) => ["", i === 0 ? text : ""]);
}

/** The first row is the heading; all columns but the first are aligned right. */
function table([heading = [], ...rows]: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heading), line(heading.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)];
}

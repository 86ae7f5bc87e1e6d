import { parseArgs } from "node:util";

/** A guest of the suite. */
export type GuestName = "64" | "32";
/** Whom tsvm is compared with. */
export type PeerName = "qemu" | "v86" | "chromium";

/** What to measure. */
export interface BenchOptions {
  /** Folder of the suite's build.sh; undefined if none was named. */
  readonly folder: string | undefined;
  readonly guests: readonly GuestName[];
  readonly peers: readonly PeerName[];
  /** Rows of the suite; none means all. */
  readonly rows: readonly string[];
  /** Share of each row's full work. */
  readonly percent: number;
  readonly rounds: number;
  /** Seconds that one run of one emulator may take, by the wall clock. */
  readonly timeoutS: number;
  /** Folder for the reports; undefined for the repository's. */
  readonly output: string | undefined;
}

const GUESTS: readonly GuestName[] = ["64", "32"];
const PEERS: readonly PeerName[] = ["qemu", "v86", "chromium"];
/** Chromium runs tsvm itself: it is a peer for those who ask. */
const USUAL_PEERS: readonly PeerName[] = ["qemu", "v86"];

export const USAGE = `usage: pnpm --filter @tsvm-tools/bench run bench [GUESTS] [options]
  GUESTS            folder made by the guest suite's build.sh (default: $TSVM_GUESTS)
  --guests 64,32    which guests
  --peers qemu,v86  whom to compare with (chromium: tsvm in a headless tab), or none
  --rows a,b        only these rows of the suite
  --percent N       share of the full work, 1 to 100
  --rounds N        runs of each emulator, whose medians count (default 3)
  --timeout S       seconds one run may take (default 900)
  --output FOLDER   where reports go (default: bench/results)`;

/**
 * Reads the command line.
 * @throws Error of one line for people if it makes no sense.
 */
export function parseBenchOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): BenchOptions {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { guests: text, peers: text, rows: text, percent: text, rounds: text, timeout: text, output: text },
  });
  if (positionals.length > 1) throw new Error(`one folder of guests is enough; ${positionals[1]} is one more`);
  return {
    folder: positionals[0] ?? environment["TSVM_GUESTS"],
    guests: choose("--guests", values.guests, GUESTS, GUESTS),
    peers: values.peers === "none" ? [] : choose("--peers", values.peers, PEERS, USUAL_PEERS),
    rows: rowNames(values.rows),
    percent: wholeNumber("--percent", values.percent ?? "100", 100),
    rounds: wholeNumber("--rounds", values.rounds ?? "3", 99),
    timeoutS: wholeNumber("--timeout", values.timeout ?? "900", 86_400),
    output: values.output,
  };
}

function choose<T extends string>(
  option: string,
  text: string | undefined,
  known: readonly T[],
  usual: readonly T[],
): readonly T[] {
  if (text === undefined) return usual;
  const names = text.split(",");
  const strange = names.find((name) => !known.includes(name as T));
  if (strange !== undefined) throw new Error(`${option}: "${strange}" is none of ${known.join(", ")}`);
  return known.filter((name) => names.includes(name));
}

/** They become a word of the kernel's command line. */
function rowNames(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const names = text.split(",");
  const strange = names.find((name) => !/^[a-z0-9_]+$/.test(name));
  if (strange !== undefined) throw new Error(`--rows: "${strange}" is no name of a row, as int or bb_sort are`);
  return names;
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new Error(`${option}: "${text}" is no whole number from 1 to ${most}`);
  return value;
}

import { referenceCounts } from "../lab/reference-counts.ts";
import { type Command, succeed } from "./command.ts";

/** Depths of the tables, for all commands that walk some. */
export const LEVEL_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "--guest-levels": ["4", "5"],
  "--host-levels": ["4", "5"],
};

/** What {@link LEVEL_OPTIONS} say. */
export function levelsOf(options: ReadonlyMap<string, string>): {
  readonly guestLevels: 4 | 5;
  readonly hostLevels: 4 | 5;
} {
  const levels = (name: string): 4 | 5 => (options.get(name) === "5" ? 5 : 4);
  return { guestLevels: levels("--guest-levels"), hostLevels: levels("--host-levels") };
}

/** `tsvm-mmu table`. */
export const tableCommand: Command = {
  usage: "[--json] [--guest-levels 4|5] [--host-levels 4|5]",
  summary: "the reference-count matrix: guest pages down, host pages across",
  options: { "--json": "flag", ...LEVEL_OPTIONS },
  run: async (options) => {
    const counts = referenceCounts(levelsOf(options));
    if (options.has("--json")) return succeed(`${JSON.stringify(counts)}\n`);
    const hosts = ["native", "4K", "2M", "1G"];
    const rows = (["4K", "2M", "1G"] as const).map((size) => [
      size,
      ...hosts.map((host) => `${counts.find((count) => count.guest === size && count.host === host)?.refs}`),
    ]);
    return succeed([["guest", ...hosts], ...rows].map((row) => `${columns(row)}\n`).join(""));
  },
};

function columns(row: readonly string[]): string {
  return row
    .map((cell) => cell.padEnd(8))
    .join("")
    .trimEnd();
}

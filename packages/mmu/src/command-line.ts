import {
  type CountOptions,
  DEMONSTRATION_GVA,
  demonstrateWalk,
  type PageSize,
  referenceCounts,
} from "./lab/reference-counts.ts";
import type { WalkReference } from "./lab/translator.ts";

/** What a command has to say, for whoever owns the terminal. */
export interface CommandResult {
  readonly output: string;
  /** One line, empty unless `exitCode` is 2. */
  readonly error: string;
  /** 0, or 2 for arguments that make no sense. */
  readonly exitCode: 0 | 2;
}

const USAGE = `usage: tsvm-mmu table [--json]                     the reference-count matrix: guest pages down, host pages across
       tsvm-mmu walk [--guest SIZE] [--host SIZE]  every reference of one walk; SIZE is 4K, 2M or 1G, a host may be native
both take [--guest-levels 4|5] [--host-levels 4|5]
`;

const VALUES: Readonly<Record<string, readonly string[]>> = {
  "--guest": ["4K", "2M", "1G"],
  "--host": ["4K", "2M", "1G", "native"],
  "--guest-levels": ["4", "5"],
  "--host-levels": ["4", "5"],
};
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  table: ["--json", "--guest-levels", "--host-levels"],
  walk: ["--guest", "--host", "--guest-levels", "--host-levels"],
};

/** Runs `tsvm-mmu` with the arguments after its name. */
export function runCommand(args: readonly string[]): CommandResult {
  const [command, ...rest] = args;
  if (command === undefined || command === "--help" || command === "help") return succeed(USAGE);
  const known = OPTIONS_OF[command];
  if (known === undefined) return fail(`no command "${command}"; there are table and walk`);
  const options = parseOptions(command, known, rest);
  if (typeof options === "string") return fail(options);
  return succeed(command === "table" ? printTable(options) : printWalk(options));
}

/** The options, or what is wrong with them. */
function parseOptions(
  command: string,
  known: readonly string[],
  args: readonly string[],
): Map<string, string> | string {
  const options = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i] as string;
    if (!known.includes(name)) return `${command} has no option "${name}"`;
    const values = VALUES[name];
    if (values === undefined) {
      options.set(name, "");
      continue;
    }
    const value = args[++i];
    if (value === undefined || !values.includes(value)) return `${name} must be ${values.join(" or ")}`;
    options.set(name, value);
  }
  return options;
}

function countOptions(options: ReadonlyMap<string, string>): CountOptions {
  // parseOptions has let nothing else pass.
  const levels = (name: string): 4 | 5 => (options.get(name) === "5" ? 5 : 4);
  return { guestLevels: levels("--guest-levels"), hostLevels: levels("--host-levels") };
}

function printTable(options: ReadonlyMap<string, string>): string {
  const counts = referenceCounts(countOptions(options));
  if (options.has("--json")) return `${JSON.stringify(counts)}\n`;
  const hosts = ["native", "4K", "2M", "1G"];
  const rows = (["4K", "2M", "1G"] as const).map((size) => [
    size,
    ...hosts.map((host) => `${counts.find((count) => count.guest === size && count.host === host)?.refs}`),
  ]);
  return [["guest", ...hosts], ...rows]
    .map(
      (row) =>
        `${row
          .map((cell) => cell.padEnd(8))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}

function printWalk(options: ReadonlyMap<string, string>): string {
  const guest = (options.get("--guest") ?? "4K") as PageSize;
  const host = (options.get("--host") ?? "4K") as PageSize | "native";
  const { references, outcome } = demonstrateWalk(guest, host, countOptions(options));
  const where = host === "native" ? "natively" : `on host pages of ${host}`;
  const lines = references.map((reference, i) => `${`${i + 1}`.padStart(3)}  ${describe(reference)}`);
  const end = outcome.receiver === "none" ? `the page: hpa ${hex(outcome.hpa)}` : "no page";
  return [
    `gva ${hex(DEMONSTRATION_GVA)}, guest pages of ${guest} ${where}, nothing cached`,
    ...lines,
    `${references.length} references, then ${end}`,
    "",
  ].join("\n");
}

function describe({ dimension, level, guestLevel, addressKind, address, hpa }: WalkReference): string {
  const entry = `${dimension.padEnd(6)} level ${level}`;
  if (dimension === "host") {
    return `${entry}  ${addressKind} ${hex(address)}, for ${guestLevel === 0 ? "the page" : `guest level ${guestLevel}`}`;
  }
  return `${entry}  ${addressKind} ${hex(address)}${addressKind === "gpa" ? `, found at hpa ${hex(hpa)}` : ""}`;
}

function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`;
}

function succeed(output: string): CommandResult {
  return { output, error: "", exitCode: 0 };
}

function fail(message: string): CommandResult {
  return { output: "", error: `tsvm-mmu: ${message}\n`, exitCode: 2 };
}

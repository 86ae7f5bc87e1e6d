import { type Command, type CommandResult, fail, succeed, type Terminal } from "./command.ts";
import { compareCommand } from "./compare-command.ts";
import { paperCommand } from "./paper-command.ts";
import { simCommand } from "./sim-command.ts";
import { tableCommand } from "./table-command.ts";
import { walkCommand } from "./walk-command.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  table: tableCommand,
  walk: walkCommand,
  sim: simCommand,
  compare: compareCommand,
  paper: paperCommand,
};

/** Runs `tsvm-mmu` with the arguments after its name. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<CommandResult> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "help") return succeed(usage());
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return fail(`no command "${name}"; there are ${Object.keys(COMMANDS).join(", ")}`);
  if (rest.includes("--help")) return succeed(usageOf(name, command));
  const parsed = parse(name, command, rest);
  if (typeof parsed === "string") return fail(parsed);
  return command.run(parsed.options, parsed.operands, terminal);
}

function usage(): string {
  return Object.entries(COMMANDS)
    .map(([name, command]) => usageOf(name, command))
    .join("");
}

function usageOf(name: string, { usage: form, summary }: Command): string {
  return `tsvm-mmu ${name}${form === "" ? "" : ` ${form}`}\n    ${summary}\n`;
}

interface Parsed {
  readonly options: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/** The arguments, or what is wrong with them. */
function parse(name: string, command: Command, args: readonly string[]): Parsed | string {
  const options = new Map<string, string>();
  const operands: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (!arg.startsWith("--")) {
      operands.push(arg);
      continue;
    }
    const kind = Object.hasOwn(command.options, arg) ? command.options[arg] : undefined;
    if (kind === undefined) return `${name} has no option "${arg}"; ${optionsOf(command)}`;
    const value = kind === "flag" ? "" : args[++i];
    if (value === undefined) return `${arg} needs a value${kind === "text" ? "" : `: ${list(kind)}`}`;
    if (Array.isArray(kind) && !kind.includes(value)) return `${arg} is ${list(kind)}, not "${value}"`;
    options.set(arg, value);
  }
  const { operands: most = 0 } = command;
  if (operands.length > most)
    return `${name} takes ${most === 0 ? "options only" : `${most} word`}, not "${operands[most]}"`;
  return { options, operands };
}

function optionsOf({ options }: Command): string {
  const names = Object.keys(options);
  return names.length === 0 ? "it takes none" : `there are ${names.join(", ")}`;
}

function list(words: readonly string[] | string): string {
  return Array.isArray(words) ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : `${words}`;
}

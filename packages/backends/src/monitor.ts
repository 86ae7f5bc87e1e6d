import type { Chardev, Disposable } from "@tsvm/contracts";

/** One command of a monitor. */
export interface MonitorCommand {
  /** As typed; words separated by one space, for example `info registers`. */
  readonly name: string;
  /** One line for `help`. */
  readonly help: string;
  /** What has to follow the name, for `help`; default: nothing may. */
  readonly argument?: string;
  /** Runs it; the text returned is printed. `argument` is empty unless the command takes one. */
  run(argument: string): string | undefined;
  /** True when no prompt should follow, because the program ends. */
  readonly ends?: boolean;
}

/** A prompt on a chardev. */
export interface MonitorOptions {
  readonly chardev: Chardev;
  readonly commands: readonly MonitorCommand[];
  /** Default `(tsvm) `. */
  readonly prompt?: string;
}

const RETURN = 0x0d;
const LINE_FEED = 0x0a;
const BACKSPACE = 0x08;
const DELETE = 0x7f;
const CTRL_U = 0x15;
const CTRL_C = 0x03;

/** A line has to fit a table's name; what is longer is noise, for example a paste into the wrong window. */
const LINE_LIMIT = 256;

/**
 * A small line-oriented monitor: echoes what is typed, edits with backspace and Ctrl-U, runs commands of the table.
 * `help` is built in. Prints its first prompt when the first byte arrives, so that an unused monitor stays silent.
 */
export function createMonitor(options: MonitorOptions): Disposable {
  const { chardev, commands } = options;
  const prompt = options.prompt ?? "(tsvm) ";
  const encoder = new TextEncoder();
  let line = "";
  let greeted = false;
  const print = (text: string): void => chardev.write(encoder.encode(text));

  const enter = (): void => {
    print("\r\n");
    const typed = line.trim().replace(/\s+/g, " ");
    line = "";
    const command = commands.find((one) => isCalled(one, typed));
    const answer =
      command === undefined ? withoutCommand(typed, commands) : command.run(typed.slice(command.name.length + 1));
    if (answer) print(`${answer.replace(/\r?\n/g, "\r\n").trimEnd()}\r\n`);
    if (command?.ends !== true) print(prompt);
  };
  const erase = (count: number): void => {
    print("\b \b".repeat(count));
    line = line.slice(0, line.length - count);
  };
  const append = (character: string): void => {
    line += character;
    print(character);
  };
  const key = (byte: number): void => {
    if (byte === RETURN || byte === LINE_FEED) enter();
    else if (byte === BACKSPACE || byte === DELETE) erase(Math.min(1, line.length));
    else if (byte === CTRL_U || byte === CTRL_C) erase(line.length);
    else if (byte >= 0x20 && byte <= 0x7e && line.length < LINE_LIMIT) append(String.fromCharCode(byte));
  };

  return chardev.onInput(() => {
    if (!greeted) print(prompt);
    greeted = true;
    for (let bytes = chardev.read(LINE_LIMIT); bytes.length > 0; bytes = chardev.read(LINE_LIMIT)) {
      for (const byte of bytes) key(byte);
    }
  });
}

function isCalled({ name, argument }: MonitorCommand, typed: string): boolean {
  return argument === undefined ? typed === name : typed.startsWith(`${name} `);
}

/** The answer to a line that is no command's name. */
function withoutCommand(typed: string, commands: readonly MonitorCommand[]): string | undefined {
  if (typed === "") return undefined;
  if (typed === "help" || typed === "?") return helpText(commands);
  const longer = commands.filter((one) => `${usageOf(one)} `.startsWith(`${typed} `));
  return longer.length > 0 ? helpText(longer) : `unknown command: '${typed}' (try 'help')`;
}

const usageOf = ({ name, argument }: MonitorCommand): string => (argument === undefined ? name : `${name} ${argument}`);

function helpText(commands: readonly MonitorCommand[]): string {
  return commands.map((command) => `${usageOf(command).padEnd(18)} ${command.help}`).join("\n");
}

import { suggest } from "@tsvm/vm";
import { parseChardev, parseChardevWord } from "./chardev-spec.ts";
import type { CharacterTarget, CliConfig } from "./cli-config.ts";
import { parseKeyValues } from "./key-values.ts";
import { usageError } from "./usage-error.ts";

const WORDS = ["stdio", "null", "none", "pty", "file:PATH", "pipe:PATH", "unix:PATH", "tcp:HOST:PORT", "chardev:ID"];

/** `-chardev BACKEND,id=ID,...`. */
export function chardev(config: CliConfig, value: string, option: string): void {
  if (value === "help" || value === "?") {
    config.listing ??= "chardev";
    return;
  }
  const parsed = parseChardev(value, option);
  if (config.chardevs.some(({ id }) => id === parsed.id)) {
    throw usageError(`${option} ${value}`, `there are two of id '${parsed.id}'`);
  }
  config.chardevs.push(parsed);
}

export function serial(config: CliConfig, value: string, option: string): void {
  config.serial.push(parseTarget(value, option));
}

export function debugConsole(config: CliConfig, value: string, option: string): void {
  config.debugConsole = parseTarget(value, option, false);
}

export function monitor(config: CliConfig, value: string, option: string): void {
  config.monitor = value === "none" ? "none" : parseTarget(value, option, false);
}

/** `-mon chardev=ID`, the long form of `-monitor chardev:ID`. */
export function mon(config: CliConfig, value: string, option: string): void {
  const keys = ["chardev", "mode"];
  const values = parseKeyValues(value, { option, keys, impliedKey: "chardev" });
  const mode = values.get("mode") ?? "readline";
  if (mode !== "readline")
    throw usageError(`${option} ${value}`, `unknown mode '${mode}'${suggest(mode, ["readline"])}`);
  const id = values.get("chardev");
  if (id === undefined) throw usageError(`${option} ${value}`, "which one? write chardev=ID");
  config.monitor = { chardev: id };
}

/** `withMonitor`: `mon:` in front shares the stream with the monitor. */
function parseTarget(value: string, option: string, withMonitor = true): CharacterTarget {
  const known = withMonitor ? ["mon:stdio", ...WORDS] : WORDS;
  const isShared = withMonitor && value.startsWith("mon:");
  const word = isShared ? value.slice(4) : value;
  if (word.startsWith("chardev:") && word.length > 8 && !isShared) return { chardev: word.slice(8) };
  // `mon:` alone, or before what it does not go with.
  if (isShared && !/^(stdio|pty|unix:.|tcp:.|pipe:.)/.test(word)) {
    throw usageError(`${option} ${value}`, `not a character device${suggest(value, known)}`);
  }
  return { spec: parseChardevWord(word, option, known), withMonitor: isShared };
}

import { nearest } from "@tsvm/vm";
import { type CliConfig, createCliConfig } from "./cli-config.ts";
import { OPTIONS, type OptionRow } from "./option-table.ts";
import { usageError } from "./usage-error.ts";

/**
 * Understands a command line in QEMU's spelling: `-name value`, with one dash or two.
 * @throws ConfigError `CONFIG_USAGE`, one line naming the argument and the nearest valid one.
 */
export function parseArguments(argv: readonly string[]): CliConfig {
  const config = createCliConfig();
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const row = findOption(argument);
    if (row.value === undefined) {
      row.apply(config, "", argument);
    } else {
      const value = rest.shift();
      if (value === undefined) throw usageError(argument, `needs a value: ${argument} ${row.value}`);
      row.apply(config, value, argument);
    }
    // What follows a request for help may be half typed.
    if (config.listing !== undefined) break;
  }
  return config;
}

function findOption(argument: string): OptionRow {
  const name = /^--?(.+)$/s.exec(argument)?.[1];
  if (name === undefined) {
    throw usageError(`'${argument}'`, "not an option; kernels are given as -kernel FILE, disks are not supported");
  }
  const row = OPTIONS.find((option) => option.name === name);
  if (row !== undefined) return row;
  throw usageError(argument, unknownOption(name));
}

function unknownOption(name: string): string {
  const [word = "", value] = name.split(/=(.*)/s);
  const names = OPTIONS.map((option) => option.name);
  const meant = names.includes(word) ? word : nearest(word, names);
  if (meant === undefined) return "unknown option; -help lists them";
  if (value === undefined) return `unknown option; did you mean -${meant}?`;
  return `unknown option; did you mean -${meant} ${value}?`;
}

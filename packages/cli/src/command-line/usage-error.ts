import { ConfigError } from "@tsvm/contracts";

/** A command line that cannot be used; `option` is as typed, with its dash. Code `CONFIG_USAGE`. */
export function usageError(option: string, problem: string): ConfigError {
  return new ConfigError("CONFIG_USAGE", `${option}: ${problem}`);
}

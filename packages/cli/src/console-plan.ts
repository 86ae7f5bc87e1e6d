import type { CharacterTarget, CliConfig } from "./command-line/cli-config.ts";
import { usageError } from "./command-line/usage-error.ts";

/** Who is on the other end of standard input and output: at most one of the targets says `stdio`. */
export interface ConsolePlan {
  readonly serial: readonly CharacterTarget[];
  readonly debugConsole: CharacterTarget | undefined;
  /** 'mux': beside the serial port, behind the escape key. */
  readonly monitor: "stdio" | "mux" | "none";
}

/**
 * Fills in what the command line leaves open, as QEMU without a display: serial port and monitor share the terminal; the
 * monitor moves to it alone when `-nographic` meets a serial port that goes elsewhere.
 * @throws ConfigError if standard input and output are wanted twice.
 */
export function planConsoles(config: CliConfig): ConsolePlan {
  const serial = config.serial.length > 0 ? config.serial : [defaultSerial(config)];
  const users = [...serial, ...(config.debugConsole ? [config.debugConsole] : [])].filter(usesStdio).length;
  const mux = serial.some(({ kind }) => kind === "mon-stdio");
  const byDefault = config.monitor === undefined && config.nographic && !config.noDefaults && users === 0;
  const alone = config.monitor === "stdio" || byDefault;
  if (users + (alone && !mux ? 1 : 0) > 1) {
    throw usageError("-serial stdio", "standard input and output are taken already; use mon:stdio or file:PATH");
  }
  return { serial, debugConsole: config.debugConsole, monitor: mux ? "mux" : alone ? "stdio" : "none" };
}

function defaultSerial(config: CliConfig): CharacterTarget {
  const taken = config.debugConsole?.kind === "stdio" || config.monitor === "stdio";
  if (taken || config.noDefaults) return { kind: "null" };
  return { kind: config.monitor === "none" ? "stdio" : "mon-stdio" };
}

function usesStdio({ kind }: CharacterTarget): boolean {
  return kind === "stdio" || kind === "mon-stdio";
}

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";

/** What to run, and where it was built. */
export interface RunOptions {
  /** The folder with the built suites; docs/how-to/run-system-suites.md says how it is made. */
  readonly folder: string;
  /** Tests by name; empty: all. */
  readonly only: readonly string[];
  /** Engines by name; empty: all. */
  readonly engines: readonly string[];
  /** Where the table goes; undefined: standard output. */
  readonly out: string | undefined;
  /** Where every guest's output is kept. */
  readonly logs: string | undefined;
}

export const USAGE =
  "usage: suites FOLDER [--only NAME,...] [--engines interpreter,translator,QEMU] [--out FILE] [--logs FOLDER]";

/** Reads the command line. @throws Error of one line. */
export function parseRunOptions(argv: readonly string[]): RunOptions {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...argv].filter((word) => word !== "--"),
    options: { only: text, engines: text, out: text, logs: text },
    allowPositionals: true,
  });
  const [folder, extra] = positionals;
  if (folder === undefined) throw new Error(`no folder with built suites given; ${USAGE}`);
  if (extra !== undefined) throw new Error(`one folder, please, not also ${extra}; ${USAGE}`);
  if (!existsSync(folder))
    throw new Error(`${folder}: no such folder; docs/how-to/run-system-suites.md says how to make it`);
  const list = (value: string | undefined): readonly string[] => value?.split(",").filter(Boolean) ?? [];
  return { folder, only: list(values.only), engines: list(values.engines), out: values.out, logs: values.logs };
}

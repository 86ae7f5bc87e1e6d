import type { Disposable } from "@tsvm/contracts";
import type { LogOptions } from "@tsvm/vm";
import type { CliIo } from "./cli-io.ts";
import type { CliConfig } from "./command-line/cli-config.ts";

/** Where `-d` writes to. */
export interface CliLog extends LogOptions, Disposable {}

/**
 * The log that `-d` and `-D` ask for; undefined when they ask for none.
 * @throws BackendError if the file cannot be created.
 */
export function openLog(config: CliConfig, io: CliIo): CliLog | undefined {
  const categories = config.logCategories;
  if (categories.length === 0) return undefined;
  if (config.logPath === undefined) {
    return { categories, write: (text) => io.complain(text), dispose(): void {} };
  }
  const file = io.openFile(config.logPath);
  const encoder = new TextEncoder();
  return {
    categories,
    write: (text) => file.write(encoder.encode(text)),
    dispose: () => file.dispose(),
  };
}

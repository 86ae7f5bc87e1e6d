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
export async function openLog(config: CliConfig, io: CliIo): Promise<CliLog | undefined> {
  const categories = config.logCategories;
  if (categories.length === 0) return undefined;
  const disassemble = categories.includes("in_asm") ? await io.disassembler() : undefined;
  if (disassemble === undefined && categories.includes("in_asm")) io.complain(NO_DISASSEMBLER);
  return { ...openOutput(config, io), categories, ...(disassemble && { disassemble }) };
}

const NO_DISASSEMBLER = "tsvm: -d in_asm shows bytes; npm install iced-x86 for instructions\n";

function openOutput(config: CliConfig, io: CliIo): Pick<CliLog, "write" | "dispose"> {
  if (config.logPath === undefined) {
    return { write: (text) => io.complain(text), dispose(): void {} };
  }
  const file = io.openFile(config.logPath);
  const encoder = new TextEncoder();
  return {
    write: (text) => file.write(encoder.encode(text)),
    dispose: () => file.dispose(),
  };
}

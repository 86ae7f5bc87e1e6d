import { ConfigError } from "@tsvm/contracts";
import type { CliIo } from "./cli-io.ts";
import type { CliConfig } from "./command-line/cli-config.ts";
import { usageError } from "./command-line/usage-error.ts";
import { SymbolMap } from "./symbol-map.ts";

/** What the machine boots. */
export interface BootFiles {
  readonly kernel?: Uint8Array;
  readonly firmware?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
}

/**
 * Reads the files of the command line, or those of the built-in guest when it names no kernel; `-append` then adds to the
 * built-in guest's own command line, which its console hangs on.
 * @throws ConfigError `CONFIG_FILE`, one line with the option, the path and the reason.
 */
export async function readBootFiles(config: CliConfig, io: CliIo): Promise<BootFiles> {
  if (config.firmwarePath !== undefined) return readFirmware(config, config.firmwarePath, io);
  if (config.kernelPath !== undefined) {
    return {
      kernel: await readNamed(io, "-kernel", config.kernelPath),
      ...(config.initrdPath !== undefined && { initrd: await readNamed(io, "-initrd", config.initrdPath) }),
      commandLine: config.append ?? "",
    };
  }
  if (config.initrdPath !== undefined) throw usageError("-initrd", "only allowed with -kernel FILE");
  const guest = await io.builtInGuest((line) => io.complain(`tsvm: ${line}\n`));
  io.complain("tsvm: booting the built-in guest; Ctrl-A x exits, Ctrl-A h lists the other keys\n");
  return {
    kernel: await readNamed(io, "built-in kernel", guest.kernelPath),
    initrd: await readNamed(io, "built-in initrd", guest.initrdPath),
    commandLine: [guest.commandLine, config.append].filter(Boolean).join(" "),
  };
}

/** A firmware finds everything by itself: there is nobody to give it a kernel. */
async function readFirmware(config: CliConfig, path: string, io: CliIo): Promise<BootFiles> {
  const besides = [
    ["-kernel", config.kernelPath],
    ["-initrd", config.initrdPath],
    ["-append", config.append],
  ].find(([, value]) => value !== undefined);
  if (besides !== undefined) throw usageError(`${besides[0]}`, "not together with -bios FILE");
  return { firmware: await readNamed(io, "-bios", path), commandLine: "" };
}

/**
 * The names for guest addresses that the command line gives; none without them.
 * @throws ConfigError `CONFIG_FILE`
 */
export async function readSymbols({ symbolsPath }: CliConfig, io: CliIo): Promise<SymbolMap> {
  if (symbolsPath === undefined) return new SymbolMap([]);
  const text = new TextDecoder().decode(await readNamed(io, "symbols", symbolsPath));
  try {
    return SymbolMap.parse(text);
  } catch (cause) {
    throw new ConfigError("CONFIG_FILE", `symbols ${symbolsPath}: ${(cause as Error).message}`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "is a folder, not a file",
  ENOTDIR: "no such file",
};

async function readNamed(io: CliIo, what: string, path: string): Promise<Uint8Array> {
  try {
    return await io.readFile(path);
  } catch (cause) {
    const code = String((cause as { readonly code?: unknown }).code ?? "unreadable");
    throw new ConfigError("CONFIG_FILE", `${what} ${path}: ${REASONS[code] ?? code}`, { cause });
  }
}

/** What is wrong inside a file is found later, by who knows its format; the person has to hear which file it is. */
export function namingBootFile(error: unknown, config: CliConfig): unknown {
  if (!(error instanceof ConfigError)) return error;
  const { code, message, cause } = error;
  if (code.startsWith("CONFIG_KERNEL") && config.kernelPath !== undefined) {
    return new ConfigError(code, `-kernel ${config.kernelPath}: ${message}`, { cause });
  }
  if (message.startsWith("firmware: ") && config.firmwarePath !== undefined) {
    return new ConfigError(code, `-bios ${config.firmwarePath}: ${message.slice("firmware: ".length)}`, { cause });
  }
  if (code === "CONFIG_INITRD" && config.initrdPath !== undefined) {
    return new ConfigError(code, `-initrd ${config.initrdPath}: ${message}`, { cause });
  }
  return error;
}

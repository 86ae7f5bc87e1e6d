import type { VmError } from "@tsvm/contracts";
import { checkVmOptions, createMonitorCommands, type VmOptions } from "@tsvm/vm";
import { namingBootFile, readBootFiles, readSymbols } from "./boot-files.ts";
import type { CliIo } from "./cli-io.ts";
import { openLog } from "./cli-log.ts";
import type { CliConfig } from "./command-line/cli-config.ts";
import { parseArguments } from "./command-line/parse-arguments.ts";
import { type ConsolePlan, planConsoles } from "./console-plan.ts";
import { openConsoles } from "./consoles.ts";
import { openDrives } from "./drives.ts";
import { listingText } from "./listings.ts";
import { profileText } from "./profile-report.ts";
import { createEnding, runToEnd } from "./run-to-end.ts";
import type { SymbolMap } from "./symbol-map.ts";

/**
 * The whole program: `argv` without the interpreter and the script; resolves with the exit code. Trouble of the caller
 * (a bad option, a missing file) is one line on standard error and 1.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  try {
    const config = parseArguments(argv);
    if (config.listing === undefined) return await runMachine(config, io);
    await io.print(listingText(config.listing, io.version));
    return 0;
  } catch (error) {
    io.complain(errorText(error));
    return 1;
  }
}

/** Errors with these codes are made for people; anything else is our own mistake and keeps its stack for the report. */
const PEOPLE_CODES = /^(CONFIG|BACKEND|GUEST|SNAPSHOT)_/;

function errorText(error: unknown): string {
  const { code, message, stack } = error as Partial<VmError>;
  if (typeof code === "string" && PEOPLE_CODES.test(code)) return `tsvm: ${message}\n`;
  return `tsvm: internal error: ${stack ?? String(error)}\n`;
}

async function runMachine(config: CliConfig, io: CliIo): Promise<number> {
  const plan = planConsoles(config);
  const options = { ...machineOptions(config), devices: plan.devices };
  // Before the files: the built-in guest may have to be built first, and a typing error should not wait for that.
  checkVmOptions({ ...options, log: { categories: config.logCategories, write: () => {} } });
  const drives = await openDrives(config, (line) => io.complain(`tsvm: ${line}\n`));
  try {
    const files = await readBootFiles(config, io);
    const symbols = await readSymbols(config, io);
    return await runBooted(
      config,
      plan,
      symbols,
      { ...options, ...files, disks: drives.disks, drives: drives.named },
      io,
    );
  } finally {
    await drives.close();
  }
}

/** From here on everything that can be checked beforehand has been. */
async function runBooted(
  config: CliConfig,
  plan: ConsolePlan,
  symbols: SymbolMap,
  options: VmOptions,
  io: CliIo,
): Promise<number> {
  const log = await openLog(config, io);
  const ending = createEnding();
  const consoles = await openConsoles(plan, io, { onQuit: ending.quit, onOutputLost: ending.lose });
  try {
    const vm = await io.createVm({
      ...options,
      serial: consoles.serial,
      chardevs: consoles.devices,
      ...(consoles.debugConsole && { debugConsole: consoles.debugConsole }),
      ...(log && { log }),
    });
    consoles.connect(createMonitorCommands(vm, ending.quit), (port) => vm.sendBreak(port));
    const exitCode = await runToEnd(vm, ending, consoles, io);
    const profile = vm.profile();
    if (profile !== undefined) io.complain(profileText(profile, vm.counters(), symbols));
    return exitCode;
  } catch (error) {
    throw namingBootFile(error, config);
  } finally {
    consoles.dispose();
    log?.dispose();
  }
}

/** What the command line says of the machine itself; what it leaves out has the facade's default. */
function machineOptions(config: CliConfig): VmOptions {
  return {
    ...(config.name !== undefined && { name: config.name }),
    ...(config.machine !== undefined && { machine: config.machine }),
    ...(config.accelerator !== undefined && { accelerator: config.accelerator }),
    translation: {
      ...(config.heatLimit !== undefined && { heatLimit: config.heatLimit }),
      ...(config.verify !== undefined && { verify: config.verify }),
      ...(config.profile !== undefined && { profile: config.profile }),
    },
    ...(config.cpu !== undefined && { cpu: config.cpu }),
    ...(config.memoryBytes !== undefined && { memoryBytes: config.memoryBytes }),
    ...(config.rtcBaseMs !== undefined && { rtcBaseMs: config.rtcBaseMs }),
    ...(config.icountShift !== undefined && { clock: "virtual", icountShift: config.icountShift }),
    ...(config.uuid !== undefined && { uuid: config.uuid }),
    onReboot: config.noReboot ? "stop" : "reset",
    onCrash: config.noReboot ? "stop" : "reset",
    onShutdown: config.noShutdown ? "pause" : "stop",
  };
}

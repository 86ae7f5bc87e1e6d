import type { LogSink } from "@tsvm/accel-tcg";
import type { Accelerator, Board } from "@tsvm/contracts";
import {
  createRealTimeClock,
  createVirtualClock,
  type MachineClock,
  type MachineHost,
  type PcOptions,
} from "@tsvm/machine-pc";
import { type BuiltDevices, buildDevices } from "./devices/board-devices.ts";
import { createMemoryBalloon } from "./devices/memory-balloon.ts";
import { createDefaultHost } from "./host.ts";
import { checkInitrd } from "./initrd-check.ts";
import type { LogOptions, VmOptions } from "./options.ts";
import { paceByOutput } from "./output-pace.ts";
import { createHostRandom, createSeededRandom } from "./random-source.ts";
import { type ResolvedOptions, resolveOptions } from "./resolve-options.ts";
import { superviseMachine, type VirtualMachine } from "./virtual-machine.ts";

/** What an accelerator is made from. */
export interface AcceleratorChoice {
  /** CPU model string. */
  readonly cpu: string;
  /** 32 random bits a call, the same in every run on the virtual clock; absent: there are none. */
  readonly random?: () => number;
  /** Seconds between 1970-01-01 and power-on, as the battery-backed clock has it. */
  readonly powerOnTime: number;
  /** How often a block is interpreted before it is translated; 0: never. */
  readonly heatLimit?: number;
  /** Translations are checked against the interpreter. */
  readonly verify?: boolean;
  /** Translations are counted as they run. */
  readonly profile?: boolean;
  /** Milliseconds since some moment, for counters. */
  readonly monotonicMs?: () => number;
  /** What the processor does, a line at a time, in the categories that are asked for. */
  readonly log?: LogSink;
}

/** What {@link assembleVm} chooses from by name. */
export interface VmParts {
  readonly boards: Readonly<Record<string, Board<PcOptions>>>;
  readonly accelerators: Readonly<Record<string, (choice: AcceleratorChoice) => ChosenAccelerator>>;
}

/** An accelerator that says what the board has to know of its CPU model. */
export interface ChosenAccelerator extends Accelerator {
  readonly cpu: NonNullable<PcOptions["cpu"]>;
}

/**
 * Puts a machine together from checked options.
 * @throws ConfigError of one line if an option, the kernel or the initrd cannot be used.
 */
export async function assembleVm(options: VmOptions, parts: VmParts): Promise<VirtualMachine> {
  const resolved = resolveOptions(options);
  if (resolved.initrd !== undefined) await checkInitrd(resolved.initrd);
  const { release, host } = pacedHost(resolved, options.host ?? {});
  const clock = createClock(resolved, host);
  const choose = named(parts.accelerators, resolved.accelerator);
  const accelerator = choose(acceleratorChoice(resolved, host));
  const board = named(parts.boards, resolved.machine);
  const devices = buildDevices(resolved.devices, { ...resolved, random: createRandom(resolved) });
  const machine = board.build(accelerator, { ...boardOptions(resolved, devices, host), cpu: accelerator.cpu }, clock);
  const vm: VirtualMachine = superviseMachine({
    machine,
    name: resolved.name,
    ...(devices.balloon && { balloon: createMemoryBalloon(devices.balloon, resolved.memoryBytes) }),
    now: () => clock.now(),
    onReboot: resolved.onReboot,
    onCrash: resolved.onCrash,
    onShutdown: resolved.onShutdown,
    beforePause: release,
    beforeReset: () => logReset(resolved.log, vm),
  });
  return vm;
}

/** A host that waits for slow readers of the output; `release` ends such a wait. */
function pacedHost(
  { serial, debugConsole, chardevs: atDevices }: ResolvedOptions,
  overrides: Partial<MachineHost>,
): { readonly host: MachineHost; readonly release: () => void } {
  let waiting = Promise.withResolvers<void>();
  const chardevs = [...serial, ...(debugConsole === undefined ? [] : [debugConsole]), ...Object.values(atDevices)];
  const host = paceByOutput({ ...createDefaultHost(), ...overrides }, chardevs, () => waiting.promise);
  return {
    host,
    release() {
      waiting.resolve();
      waiting = Promise.withResolvers<void>();
    },
  };
}

function createClock({ clock, icountShift }: ResolvedOptions, host: MachineHost): MachineClock {
  return clock === "virtual" ? createVirtualClock({ shift: icountShift }) : createRealTimeClock(host);
}

/** Any number will do: the same seed makes the same run. */
const SEED = 1;

/** The CPU's and the devices' random numbers: each gets a sequence of its own. */
function createRandom({ clock }: ResolvedOptions): (() => number) | undefined {
  return clock === "virtual" ? createSeededRandom(SEED) : createHostRandom();
}

function acceleratorChoice(resolved: ResolvedOptions, host: MachineHost): AcceleratorChoice {
  const { clock, cpu, rtcBaseMs, log, translation } = resolved;
  const random = createRandom(resolved);
  return {
    cpu,
    powerOnTime: rtcBaseMs / 1000,
    // On the virtual clock a run is the same again, its counters too.
    ...(clock === "realtime" && { monotonicMs: () => host.monotonicNs() / 1e6 }),
    ...translation,
    ...(random && { random }),
    ...(log && {
      log: {
        has: (category) => log.categories.includes(category),
        write: (line) => log.write(`${line}\n`),
        ...(log.disassemble && { disassemble: log.disassemble }),
      },
    }),
  };
}

function boardOptions(resolved: ResolvedOptions, devices: BuiltDevices, host: MachineHost): PcOptions {
  const { kernel, firmware, initrd, debugConsole, debugExit, testDevice, vga, uuid } = resolved;
  return {
    memoryBytes: resolved.memoryBytes,
    ...(kernel && { kernel }),
    ...(firmware && { firmware }),
    ...(initrd && { initrd }),
    commandLine: resolved.commandLine,
    serial: resolved.serial,
    devices: devices.board,
    ...(uuid !== undefined && { uuid }),
    ...(debugConsole && { debugConsole }),
    ...(debugExit && { debugExit }),
    testDevice,
    vga,
    rtcBaseMs: resolved.rtcBaseMs,
    host,
  };
}

function logReset(log: LogOptions | undefined, vm: VirtualMachine): void {
  if (log?.categories.includes("cpu_reset") !== true) return;
  log.write(`CPU Reset (CPU 0)\n${vm.describe().trimEnd()}\n`);
}

/** `resolveOptions` has checked the name against the catalog; a part that is missing here is our own mistake. */
function named<T>(table: Readonly<Record<string, T>>, name: string): T {
  const entry = table[name];
  if (entry === undefined) throw new Error(`invariant broken: no part named ${name}`);
  return entry;
}

import { type Chardev, ConfigError } from "@tsvm/contracts";
import { ACCELERATORS, LOG_CATEGORIES, MACHINES } from "./catalog.ts";
import type { DeviceKind } from "./devices/device-types.ts";
import { invalid as invalidDevice } from "./devices/property.ts";
import { type ResolvedDevice, resolveDevices } from "./devices/resolve-device.ts";
import { suggest } from "./nearest.ts";
import type { DiskOptions, LogOptions, TranslationOptions, VmOptions } from "./options.ts";

/** {@link VmOptions} with every default filled in and every value checked. */
export interface ResolvedOptions {
  readonly name: string;
  readonly machine: string;
  readonly accelerator: string;
  readonly translation: TranslationOptions;
  readonly cpu: string;
  readonly memoryBytes: number;
  /** One of the two is there. */
  readonly kernel: Uint8Array | undefined;
  readonly firmware: Uint8Array | undefined;
  readonly initrd: Uint8Array | undefined;
  readonly commandLine: string;
  readonly serial: readonly Chardev[];
  readonly disks: readonly DiskOptions[];
  readonly debugConsole: Chardev | undefined;
  readonly devices: readonly ResolvedDevice[];
  readonly drives: Readonly<Record<string, DiskOptions>>;
  readonly chardevs: Readonly<Record<string, Chardev>>;
  readonly uuid: string | undefined;
  readonly debugExit: { readonly iobase: number; readonly iosize: number } | undefined;
  readonly testDevice: boolean;
  readonly vga: boolean;
  readonly clock: "realtime" | "virtual";
  readonly icountShift: number;
  readonly rtcBaseMs: number;
  readonly onReboot: "reset" | "stop";
  readonly onCrash: "reset" | "stop";
  readonly onShutdown: "stop" | "pause";
  readonly log: LogOptions | undefined;
}

const MIB = 0x10_0000;
const DEFAULT_MEMORY_BYTES = 512 * MIB;
/** A PC's four serial ports. */
const SERIAL_PORTS = 4;
/** Counts of entries share a field of 32 bits with links to regions. */
const HEAT_MAX = 65535;
const SHIFT_MAX = 10;

const OPTION_NAMES: readonly (keyof VmOptions)[] = [
  "name",
  "machine",
  "accelerator",
  "translation",
  "cpu",
  "memoryBytes",
  "kernel",
  "firmware",
  "initrd",
  "commandLine",
  "serial",
  "disks",
  "debugConsole",
  "devices",
  "drives",
  "chardevs",
  "uuid",
  "clock",
  "icountShift",
  "rtcBaseMs",
  "onReboot",
  "onCrash",
  "onShutdown",
  "log",
  "host",
];

/**
 * Checks what a caller gave, who may be plain JavaScript or a command line. What the boards and CPU models know better
 * (whether a kernel fits, which features exist) they check themselves.
 * @throws ConfigError naming the option, the value and the nearest valid one.
 */
export function resolveOptions(options: VmOptions): ResolvedOptions {
  for (const name of Object.keys(options)) known("option", name, OPTION_NAMES);
  const clock = options.clock ?? "realtime";
  known("clock", clock, ["realtime", "virtual"]);
  if (options.icountShift !== undefined && clock !== "virtual") {
    throw invalid("icountShift needs clock 'virtual'");
  }
  const machine = known("machine", options.machine ?? "pc", Object.keys(MACHINES));
  const devices = resolveDevices(options.devices ?? [], machine);
  return {
    name: text("name", options.name ?? ""),
    machine,
    accelerator: known("accelerator", options.accelerator ?? "tcg", Object.keys(ACCELERATORS)),
    translation: resolveTranslation(options.translation ?? {}),
    cpu: text("cpu", options.cpu ?? "max"),
    memoryBytes: resolveMemory(options.memoryBytes ?? DEFAULT_MEMORY_BYTES),
    kernel: resolveKernel(options),
    firmware: options.firmware && bytes("firmware", options.firmware),
    initrd: options.initrd === undefined ? undefined : bytes("initrd", options.initrd),
    commandLine: resolveCommandLine(options.commandLine ?? ""),
    serial: resolveSerial(options.serial ?? []),
    disks: options.disks ?? [],
    debugConsole: options.debugConsole,
    devices,
    drives: options.drives ?? {},
    chardevs: options.chardevs ?? {},
    uuid: options.uuid,
    debugExit: resolveDebugExit(devices),
    testDevice: single("pc-testdev", devices) !== undefined,
    vga: single("isa-vga", devices) !== undefined,
    clock,
    icountShift: integer("icountShift", options.icountShift ?? 0, 0, SHIFT_MAX),
    rtcBaseMs: resolveRtcBase(options.rtcBaseMs),
    onReboot: known("onReboot", options.onReboot ?? "reset", ["reset", "stop"]),
    onCrash: known("onCrash", options.onCrash ?? "reset", ["reset", "stop"]),
    onShutdown: known("onShutdown", options.onShutdown ?? "stop", ["stop", "pause"]),
    log: resolveLog(options.log),
  };
}

function resolveTranslation({ heatLimit, verify, profile }: TranslationOptions): TranslationOptions {
  return {
    ...(heatLimit !== undefined && { heatLimit: integer("translation.heatLimit", heatLimit, 0, HEAT_MAX) }),
    verify: verify === true,
    profile: profile === true,
  };
}

/**
 * The same check for a frontend that has the kernel still to fetch.
 * @throws ConfigError
 */
export function checkVmOptions(options: Omit<VmOptions, "kernel" | "initrd">): void {
  resolveOptions({ ...options, kernel: new Uint8Array(0) });
}

function resolveMemory(memoryBytes: number): number {
  if (!Number.isInteger(memoryBytes) || memoryBytes < MIB || memoryBytes % MIB !== 0) {
    const nearest = Math.max(1, Math.round(memoryBytes / MIB)) || 1;
    throw invalid(`memoryBytes ${memoryBytes}: must be whole MiB; nearest: ${nearest * MIB} (${nearest} MiB)`);
  }
  return memoryBytes;
}

function resolveKernel({ kernel, firmware }: VmOptions): Uint8Array | undefined {
  if (kernel !== undefined) return bytes("kernel", kernel);
  if (firmware === undefined) throw new ConfigError("CONFIG_KERNEL", "kernel: nothing to boot");
  return undefined;
}

function resolveCommandLine(commandLine: string): string {
  if (text("commandLine", commandLine).includes("\0")) {
    throw invalid("commandLine: must not contain a NUL character");
  }
  return commandLine;
}

function resolveSerial(serial: readonly Chardev[]): readonly Chardev[] {
  if (serial.length <= SERIAL_PORTS) return serial;
  throw invalid(`serial: a PC has ${SERIAL_PORTS} serial ports, not ${serial.length}`);
}

function resolveDebugExit(devices: readonly ResolvedDevice[]): ResolvedOptions["debugExit"] {
  const device = single("isa-debug-exit", devices);
  if (device === undefined) return undefined;
  const { iobase, iosize } = device.properties as { iobase: number; iosize: number };
  return { iobase, iosize };
}

/** The one device of a kind that a machine can have once; undefined: it has none. */
function single(kind: DeviceKind, devices: readonly ResolvedDevice[]): ResolvedDevice | undefined {
  const [first, second] = devices.filter((device) => device.kind === kind);
  if (second !== undefined) throw invalidDevice(`device ${second.driver}: given twice`);
  return first;
}

function resolveRtcBase(rtcBaseMs = Date.now()): number {
  if (!Number.isFinite(rtcBaseMs)) {
    throw invalid(`rtcBaseMs ${rtcBaseMs}: must be milliseconds since 1970`);
  }
  return rtcBaseMs;
}

function resolveLog(log: LogOptions | undefined): LogOptions | undefined {
  for (const category of log?.categories ?? []) known("log category", category, Object.keys(LOG_CATEGORIES));
  return log;
}

function known<T extends string>(what: string, value: T, names: readonly string[]): T {
  if (names.includes(value)) return value;
  throw invalid(`${what} '${value}' is unknown${suggest(String(value), names)}`);
}

function text(what: string, value: string): string {
  if (typeof value === "string") return value;
  throw invalid(`${what}: must be a string, not ${typeof value}`);
}

function bytes(what: string, value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalid(`${what}: must be a Uint8Array, not ${typeof value}`);
}

function integer(what: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(`${what} ${value}: must be ${min} to ${max}`);
}

const invalid = (message: string): ConfigError => new ConfigError("CONFIG_OPTION", message);

import { suggest } from "@tsvm/vm";
import type { ChardevSpec } from "./command-line/chardev-spec.ts";
import type { CharacterTarget, CliConfig } from "./command-line/cli-config.ts";
import { usageError } from "./command-line/usage-error.ts";

/** A character stream of the host and who is at it. */
export interface PlannedChardev {
  /** What people call it: the id of `-chardev`, or the name of its first line. */
  readonly label: string;
  readonly spec: ChardevSpec;
  /** Lines of the machine, by name; two and more share it behind the escape key, which `mux` allows. */
  readonly lines: string[];
  readonly mux: boolean;
}

/** Every line of the machine that carries characters, and where it goes. */
export interface ConsolePlan {
  /** At most one is standard input and output. */
  readonly chardevs: readonly PlannedChardev[];
  /** Names of lines: the serial ports in order. */
  readonly serial: readonly string[];
  readonly debugConsole: string | undefined;
  readonly monitor: string | undefined;
  /** The devices of the command line, with the line's name in place of the chardev's. */
  readonly devices: CliConfig["devices"];
  /** The lines of those devices. */
  readonly deviceLines: readonly string[];
}

const MONITOR = "monitor";

/**
 * Fills in what the command line leaves open, as QEMU without a display: serial port and monitor share the terminal; the
 * monitor moves to it alone when `-nographic` meets a serial port that goes elsewhere.
 * @throws ConfigError if standard input and output are wanted twice, a chardev is not there, or two lines are at one that
 * cannot be shared.
 */
export function planConsoles(config: CliConfig): ConsolePlan {
  const streams = new Streams(config);
  const targets = config.serial.length > 0 ? config.serial : [defaultSerial(config)];
  const serial = targets.map((target, i) => streams.connect(`serial${i}`, target));
  const { debugConsole } = config;
  if (debugConsole !== undefined) streams.connect("debugcon", debugConsole);
  const devices = config.devices.map((device) => streams.connectDevice(device));
  const isShared = targets.some((target) => "spec" in target && target.withMonitor);
  const target = isShared ? undefined : monitorTarget(config, streams);
  if (target !== undefined) streams.connect(MONITOR, target);
  streams.check();
  return {
    chardevs: streams.planned,
    serial,
    debugConsole: debugConsole && "debugcon",
    monitor: isShared || target !== undefined ? MONITOR : undefined,
    devices,
    deviceLines: streams.deviceLines,
  };
}

const STDIO: ChardevSpec = { kind: "stdio" };

function defaultSerial(config: CliConfig): CharacterTarget {
  const { debugConsole, monitor, chardevs, noDefaults } = config;
  const others = [debugConsole, monitor === "none" ? undefined : monitor];
  const isTaken = others.some(isStdio) || chardevs.some(({ spec }) => spec.kind === "stdio");
  if (isTaken || noDefaults) return { spec: { kind: "null" }, withMonitor: false };
  return { spec: STDIO, withMonitor: monitor === undefined };
}

function monitorTarget(config: CliConfig, streams: Streams): CharacterTarget | undefined {
  if (config.monitor !== undefined) return config.monitor === "none" ? undefined : config.monitor;
  const byDefault = config.nographic && !config.noDefaults && !streams.hasStdio;
  return byDefault ? { spec: STDIO, withMonitor: false } : undefined;
}

function isStdio(target: CharacterTarget | undefined): boolean {
  return target !== undefined && "spec" in target && target.spec.kind === "stdio";
}

/** Gathers who is at what. */
class Streams {
  readonly planned: PlannedChardev[] = [];
  readonly deviceLines: string[] = [];
  readonly #byId = new Map<string, PlannedChardev>();

  constructor({ chardevs }: CliConfig) {
    for (const { id, spec, mux } of chardevs) {
      const planned = { label: id, spec, mux, lines: [] };
      this.planned.push(planned);
      this.#byId.set(id, planned);
    }
  }

  get hasStdio(): boolean {
    return this.planned.some(({ spec }) => spec.kind === "stdio");
  }

  /** Gives back the line's name. */
  connect(line: string, target: CharacterTarget): string {
    if ("chardev" in target) {
      this.#find(target.chardev, `-${line.replace(/\d+$/, "")} chardev:${target.chardev}`).lines.push(line);
      return line;
    }
    const { spec, withMonitor } = target;
    this.planned.push({ label: line, spec, mux: withMonitor, lines: withMonitor ? [line, MONITOR] : [line] });
    return line;
  }

  connectDevice(device: CliConfig["devices"][number]): CliConfig["devices"][number] {
    const id = device.properties["chardev"];
    if (id === undefined) return device;
    const { lines } = this.#find(id, `-device ${device.driver},chardev=${id}`);
    const line = lines.length === 0 ? id : `${id}:${device.driver}.${lines.length}`;
    lines.push(line);
    this.deviceLines.push(line);
    return { ...device, properties: { ...device.properties, chardev: line } };
  }

  check(): void {
    if (this.planned.filter(({ spec }) => spec.kind === "stdio").length > 1) {
      throw usageError("-serial stdio", "standard input and output are taken already; use mon:stdio or file:PATH");
    }
    for (const { label, lines, mux } of this.planned) {
      if (lines.length < 2 || mux) continue;
      throw usageError(`-chardev id=${label}`, `${lines.join(" and ")} are at it; write mux=on to share it`);
    }
  }

  #find(id: string, where: string): PlannedChardev {
    const planned = this.#byId.get(id);
    if (planned !== undefined) return planned;
    throw usageError(where, `there is no -chardev of id '${id}'${suggest(id, this.#byId.keys())}`);
  }
}

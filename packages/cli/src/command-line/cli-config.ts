import type { ChardevConfig, ChardevSpec } from "./chardev-spec.ts";

/** Where a character stream of the machine goes: to one of `-chardev`, or to one of its own. */
export type CharacterTarget =
  | { readonly chardev: string }
  | {
      readonly spec: ChardevSpec;
      /** The monitor shares it, behind the escape key. */
      readonly withMonitor: boolean;
    };

/** One `-drive`: a raw image in a file. */
export interface DriveConfig {
  /** For a device to name; undefined: the drive is a virtio disk by itself. */
  readonly id?: string;
  readonly path: string;
  /** It was said that the image is raw: it is not looked at. */
  readonly isRaw: boolean;
  readonly readOnly: boolean;
  /** Writes are kept apart from the image and dropped at the end. */
  readonly snapshot: boolean;
  /** Flushes do not wait for stable storage. */
  readonly unsafeFlush: boolean;
  /** Reads and writes go past the host's page cache. */
  readonly direct: boolean;
  readonly serial?: string;
}

/** What the command line asks to be shown instead of running a machine. */
export type Listing =
  | "help"
  | "version"
  | "cpu"
  | "machine"
  | "device"
  | "accel"
  | "log"
  | "display"
  | "chardev"
  | { readonly device: string };

/** A command line, understood but not carried out. */
export interface CliConfig {
  listing?: Listing;
  kernelPath?: string;
  firmwarePath?: string;
  initrdPath?: string;
  append?: string;
  memoryBytes?: number;
  cpu?: string;
  machine?: string;
  accelerator?: string;
  /** How often a block is interpreted before it is translated; 0: never. */
  heatLimit?: number;
  /** Translated code is checked against the interpreter. */
  verify?: boolean;
  /** Translated code is counted as it runs, and a report is written at the end. */
  profile?: boolean;
  /** A file that names guest addresses in that report. */
  symbolsPath?: string;
  name?: string;
  /** Milliseconds since 1970, as the face of the clock shows them. */
  rtcBaseMs?: number;
  icountShift?: number;
  readonly devices: { readonly driver: string; readonly properties: Readonly<Record<string, string>> }[];
  readonly chardevs: ChardevConfig[];
  readonly serial: CharacterTarget[];
  readonly drives: DriveConfig[];
  /** Every drive is a snapshot. */
  snapshot: boolean;
  debugConsole?: CharacterTarget;
  /** Undefined: beside the serial port where that has standard input. */
  monitor?: CharacterTarget | "none";
  uuid?: string;
  nographic: boolean;
  /** No serial port and no monitor but those asked for. */
  noDefaults: boolean;
  noReboot: boolean;
  noShutdown: boolean;
  logCategories: readonly string[];
  logPath?: string;
}

/** The configuration of an empty command line. */
export function createCliConfig(): CliConfig {
  return {
    devices: [],
    chardevs: [],
    serial: [],
    drives: [],
    snapshot: false,
    nographic: false,
    noDefaults: false,
    noReboot: false,
    noShutdown: false,
    logCategories: [],
  };
}

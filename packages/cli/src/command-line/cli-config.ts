/** Where a character stream of the machine goes. */
export type CharacterTarget =
  | { readonly kind: "stdio" | "mon-stdio" | "null" }
  | { readonly kind: "file"; readonly path: string };

/** One `-drive`: a raw image in a file. */
export interface DriveConfig {
  readonly path: string;
  readonly readOnly: boolean;
  /** Writes are kept apart from the image and dropped at the end. */
  readonly snapshot: boolean;
  /** Flushes do not wait for stable storage. */
  readonly unsafeFlush: boolean;
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
  | { readonly device: string };

/** A command line, understood but not carried out. */
export interface CliConfig {
  listing?: Listing;
  kernelPath?: string;
  initrdPath?: string;
  append?: string;
  memoryBytes?: number;
  cpu?: string;
  machine?: string;
  accelerator?: string;
  name?: string;
  /** Milliseconds since 1970, as the face of the clock shows them. */
  rtcBaseMs?: number;
  icountShift?: number;
  readonly devices: { readonly driver: string; readonly properties: Readonly<Record<string, string>> }[];
  readonly serial: CharacterTarget[];
  readonly drives: DriveConfig[];
  /** Every drive is a snapshot. */
  snapshot: boolean;
  debugConsole?: CharacterTarget;
  /** Undefined: beside the serial port where that has standard input. */
  monitor?: "stdio" | "none";
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

import type { VmOptions } from "@tsvm/vm";

/** Something to boot: an address, absolute or relative to the page, a file, or the bytes themselves. */
export type BootSource = string | URL | Blob | Uint8Array;

/** What becomes of a guest's writes to a disk: kept by the browser for this origin, dropped with the machine, or refused. */
export type DiskWrites = "keep" | "drop" | "refuse";

/** A virtio disk of the guest. */
export interface WebDisk {
  /** A raw image: an address whose server answers range requests, or a file. It is only read. */
  readonly image: string | URL | Blob;
  /** Default 'keep'. */
  readonly writes?: DiskWrites;
  /** What kept writes are kept under; default: the file's name, or the address. One machine at a time may have it. */
  readonly name?: string;
  /** What the guest sees as the disk's serial number. */
  readonly serial?: string;
}

/** Options that reach `createVm` as they are: those that may cross to a worker. */
export type PassedOption = (typeof PASSED_OPTIONS)[number];

export const PASSED_OPTIONS = [
  "name",
  "machine",
  "accelerator",
  "cpu",
  "memoryBytes",
  "commandLine",
  "devices",
  "uuid",
  "clock",
  "icountShift",
  "rtcBaseMs",
  "onReboot",
  "onCrash",
  "onShutdown",
] as const satisfies readonly (keyof VmOptions)[];

/** What {@link createWebMachine} builds; options not told here are those of `createVm`, with its defaults. */
export interface WebMachineOptions extends Pick<VmOptions, PassedOption> {
  readonly kernel: BootSource;
  readonly initrd?: BootSource;
  /** The guest's vda, vdb... */
  readonly disks?: readonly WebDisk[];
  /**
   * Gets what the guest writes to its first serial port, in pieces as large as they come. A promise holds the guest back
   * until it resolves, so that a slow reader is not flooded.
   */
  readonly onSerial?: (bytes: Uint8Array) => Promise<void> | void;
  /** Told while kernel and initrd are being fetched. `totalBytes` is undefined where the server does not tell. */
  readonly onLoading?: (progress: LoadingProgress) => void;
  /** Makes the worker, where a bundler needs it done in another way than `new Worker(new URL(...))`. */
  readonly createWorker?: () => Worker;
}

export interface LoadingProgress {
  readonly what: "kernel" | "initrd";
  readonly bytes: number;
  readonly totalBytes: number | undefined;
}

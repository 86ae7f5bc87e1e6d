// What page and worker say to each other, beside the bytes of the serial port, which have a port of their own.
import type { MachineStop } from "@tsvm/contracts";
import type { VmCounters, VmEvent, VmOptions, VmState } from "@tsvm/vm";
import type { DiskWrites, LoadingProgress, PassedOption } from "./machine-options.ts";

/** A source as it crosses to the worker, addresses made absolute. */
export type WireSource = string | Blob | Uint8Array;

export interface WireDisk {
  readonly image: string | Blob;
  readonly writes: DiskWrites;
  readonly name: string;
  readonly serial?: string;
}

export interface MachineSpec {
  readonly vm: Pick<VmOptions, PassedOption>;
  readonly kernel: WireSource;
  readonly initrd?: WireSource;
  readonly disks: readonly WireDisk[];
  /** Carries the first serial port. */
  readonly serial: MessagePort;
}

/** A disk of a machine, as people want to know it. */
export interface DiskStatus {
  readonly name: string;
  readonly bytes: number;
  readonly writes: DiskWrites;
  /** Bytes the browser keeps of the guest's writes. */
  readonly keptBytes: number;
}

/** How far the export of a disk is. */
export interface ExportProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** A machine at one moment. */
export interface WebMachineStatus {
  readonly state: VmState;
  readonly counters: VmCounters;
  readonly disks: readonly DiskStatus[];
}

/** What a worker is asked for, by name. Each answer is a promise on the page's side. */
export interface MachineCalls {
  create(spec: MachineSpec): void;
  /** Answered when the guest has stopped for good. */
  run(): MachineStop;
  pause(): void;
  resume(): void;
  reset(): void;
  sendBreak(): void;
  status(): WebMachineStatus;
  /** A disk with all that was written to it. The guest stands still meanwhile. */
  exportDisk(index: number): Blob;
  /** The same for a disk of no machine. */
  exportImage(disk: WireDisk): Blob;
  /** Holds the guest, brings its writes to stable storage, and lets go of its disks. */
  close(): void;
}

/** What a worker tells by itself. */
export type MachineNews =
  | { readonly type: "event"; readonly event: VmEvent }
  | { readonly type: "loading"; readonly progress: LoadingProgress }
  | { readonly type: "exporting"; readonly progress: ExportProgress };

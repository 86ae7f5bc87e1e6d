import { type BlockBackend, ConfigError } from "@tsvm/contracts";
import { SECTOR_LENGTH } from "./request.ts";

/** Bytes that the identification of a disk has room for. */
export const SERIAL_LENGTH = 20;
/** Header, status, and at least one piece of data. */
const QUEUE_SIZE_MIN = 4;
const QUEUE_SIZE_MAX = 1024;
const QUEUES_MAX = 64;
const BLOCK_LENGTH_MAX = 32_768;

export interface VirtioBlockOptions {
  /** The disk. Closing it is the caller's. */
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number: at most 20 printable ASCII characters. Default: none. */
  readonly serial?: string;
  /** The guest cannot write, whatever the backend allows. Default: as the backend says. */
  readonly readOnly?: boolean;
  /** Request queues, 1 to 64; drivers use one for each of their CPUs. Default 1. */
  readonly queues?: number;
  /** Entries of each queue: a power of two from 4 to 1024. Default 256. */
  readonly queueSize?: number;
  /** Bytes of the block that the guest should address the disk by: a power of two from 512 to 32768. Default 512. */
  readonly logicalBlockSize?: number;
  /** Default "virtio-blk". Snapshots go by it. */
  readonly name?: string;
}

/** {@link VirtioBlockOptions} checked, with the defaults filled in. */
export type ResolvedBlockOptions = Required<VirtioBlockOptions>;

/** @throws ConfigError `CONFIG_DEVICE` naming the option and what it may be. */
export function resolveBlockOptions(options: VirtioBlockOptions): ResolvedBlockOptions {
  const { backend, serial = "", queues = 1, queueSize = 256, logicalBlockSize = SECTOR_LENGTH } = options;
  const name = options.name ?? "virtio-blk";
  const refuse = (what: string): never => {
    throw new ConfigError("CONFIG_DEVICE", `${name}: ${what}`);
  };
  if (!/^[\x20-\x7e]{0,20}$/.test(serial)) refuse(`serial '${serial}': must be at most 20 printable ASCII characters`);
  if (!Number.isInteger(queues) || queues < 1 || queues > QUEUES_MAX)
    refuse(`${queues} queues: must be 1 to ${QUEUES_MAX}`);
  if (!isPowerOfTwo(queueSize, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX)) {
    refuse(`queue of ${queueSize} entries: must be a power of two from ${QUEUE_SIZE_MIN} to ${QUEUE_SIZE_MAX}`);
  }
  if (!isPowerOfTwo(logicalBlockSize, SECTOR_LENGTH, BLOCK_LENGTH_MAX)) {
    refuse(`logical block of ${logicalBlockSize} bytes: must be a power of two from 512 to ${BLOCK_LENGTH_MAX}`);
  }
  if ((backend.sectorCount * SECTOR_LENGTH) % logicalBlockSize !== 0) {
    refuse(`a disk of ${backend.sectorCount} sectors is not whole blocks of ${logicalBlockSize} bytes`);
  }
  const readOnly = options.readOnly === true || backend.readOnly;
  return { backend, serial, readOnly, queues, queueSize, logicalBlockSize, name };
}

function isPowerOfTwo(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max && (value & (value - 1)) === 0;
}

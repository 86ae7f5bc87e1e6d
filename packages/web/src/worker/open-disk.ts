import {
  createBlobBlock,
  createOverlayBlock,
  type IdentifiedBlock,
  openHttpBlock,
  openOpfsOverlay,
  type PersistentOverlay,
} from "@tsvm/backends";
import type { BlockBackend } from "@tsvm/contracts";
import type { DiskStatus, ExportProgress, WireDisk } from "../machine-calls.ts";

/** A disk in the worker's hands. */
export interface OpenDisk {
  readonly backend: BlockBackend;
  readonly serial: string | undefined;
  status(): DiskStatus;
  /** Brings what is kept to stable storage, and lets go of it. */
  close(): Promise<void>;
}

const SECTOR_BYTES = 512;
/** Bytes read at a time for an export. */
const EXPORT_BYTES = 1 << 20;

/** @throws BackendError (as a rejection) of one line: the image, or what was kept over it, cannot be used. */
export async function openDisk(disk: WireDisk): Promise<OpenDisk> {
  const { image, name, writes, serial } = disk;
  const base = typeof image === "string" ? await openHttpBlock({ url: image }) : createBlobBlock(image);
  const overlay = writes === "keep" ? await openOpfsOverlay({ name, base }) : undefined;
  return {
    backend: overlay ?? (writes === "drop" ? createOverlayBlock(base) : base),
    serial,
    status: () => statusOf(disk, base, overlay),
    close: async () => overlay?.close(),
  };
}

function statusOf(
  { name, writes }: WireDisk,
  { sectorCount }: IdentifiedBlock,
  overlay: PersistentOverlay | undefined,
): DiskStatus {
  return { name, writes, bytes: sectorCount * SECTOR_BYTES, keptBytes: overlay?.overlayBytes ?? 0 };
}

/** All of a disk as it is now. The parts are the browser's to keep, in memory or not: a disk may be larger than that. */
export async function exportBlock(
  { backend }: OpenDisk,
  onProgress: (progress: ExportProgress) => void,
): Promise<Blob> {
  const parts: Blob[] = [];
  const totalBytes = backend.sectorCount * SECTOR_BYTES;
  for (let bytes = 0; bytes < totalBytes; bytes += EXPORT_BYTES) {
    onProgress({ bytes, totalBytes });
    const part = new Uint8Array(Math.min(EXPORT_BYTES, totalBytes - bytes));
    await backend.read(bytes / SECTOR_BYTES, part);
    parts.push(new Blob([part]));
  }
  return new Blob(parts, { type: "application/octet-stream" });
}

import type { BlockBackend } from "@tsvm/contracts";
import type { DescriptorChain } from "../queue/descriptor-chain.ts";
import { SECTOR_LENGTH } from "./request.ts";

/** The most bytes of one request in host memory at a time; a multiple of the sector. */
const PIECE = 512 * 1024;

/**
 * How a transfer went: "failed" by the host, "outside" when a buffer was not in RAM, or "stale" when nobody waits for it
 * any more.
 */
export type TransferResult = "done" | "failed" | "outside" | "stale";

/** Disk to guest: `length` bytes from `sector` on. Guest memory is touched only while `isWanted`. */
export async function readIntoChain(
  backend: BlockBackend,
  chain: DescriptorChain,
  sector: number,
  length: number,
  isWanted: () => boolean,
): Promise<TransferResult> {
  const buffer = new Uint8Array(Math.min(PIECE, length));
  for (let done = 0; done < length; done += PIECE) {
    const piece = buffer.subarray(0, Math.min(PIECE, length - done));
    if (!(await succeeds(backend.read(sector + done / SECTOR_LENGTH, piece)))) return "failed";
    if (!isWanted()) return "stale";
    if (!chain.write(piece)) return "outside";
  }
  return "done";
}

/** Guest to disk. */
export async function writeFromChain(
  backend: BlockBackend,
  chain: DescriptorChain,
  sector: number,
  length: number,
  isWanted: () => boolean,
): Promise<TransferResult> {
  const buffer = new Uint8Array(Math.min(PIECE, length));
  for (let done = 0; done < length; done += PIECE) {
    if (!isWanted()) return "stale";
    const piece = buffer.subarray(0, Math.min(PIECE, length - done));
    if (!chain.read(piece)) return "outside";
    if (!(await succeeds(backend.write(sector + done / SECTOR_LENGTH, piece)))) return "failed";
  }
  return "done";
}

/** By the backend's own way if it has one. */
export async function writeZeroes(
  backend: BlockBackend,
  sector: number,
  count: number,
  unmap: boolean,
): Promise<TransferResult> {
  if (backend.writeZeroes !== undefined) return resultOf(backend.writeZeroes(sector, count, unmap));
  const length = count * SECTOR_LENGTH;
  const zeroes = new Uint8Array(Math.min(PIECE, length));
  for (let done = 0; done < length; done += PIECE) {
    const piece = zeroes.subarray(0, Math.min(PIECE, length - done));
    if (!(await succeeds(backend.write(sector + done / SECTOR_LENGTH, piece)))) return "failed";
  }
  return "done";
}

/** A hint: a backend that cannot make use of it has done all it can. */
export async function discard(backend: BlockBackend, sector: number, count: number): Promise<TransferResult> {
  return backend.discard === undefined ? "done" : resultOf(backend.discard(sector, count));
}

export function flush(backend: BlockBackend): Promise<TransferResult> {
  return resultOf(backend.flush());
}

async function resultOf(work: Promise<void>): Promise<TransferResult> {
  return (await succeeds(work)) ? "done" : "failed";
}

/** The seam's rejections are host trouble, which the guest hears of as an I/O error. */
function succeeds(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

// Files past the host's page cache: what a guest keeps in its own cache is not kept twice. Linux' open(2), "O_DIRECT".
import { BackendError } from "@tsvm/contracts";
import { hostFailure, nodeModule } from "../host-calls.ts";
import { SECTOR_LENGTH } from "./block-range.ts";
import type { FileCalls, FileHandle } from "./file-handle.ts";

/** What is used of the global `WebAssembly`. */
interface AlignedMemory {
  readonly Memory: new (size: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
}

/** Bytes that move at a time; more are moved one after another. */
const PIECE_LENGTH = 256 * 1024;
/** Moves under way at a time: Node has four threads for them. */
const PIECES = 4;
const PAGE_LENGTH = 64 * 1024;

/**
 * Opens a file whose reads and writes go to the disk. They have to be of whole sectors at whole sectors.
 * @throws BackendError (as a rejection) `BACKEND_DIRECT`: the host, the file system, or a disk of larger sectors forbids
 * it. What else is wrong with the file is thrown as Node throws it.
 */
export async function openDirectFile(path: string, readOnly: boolean): Promise<FileHandle> {
  const { O_DIRECT, O_RDONLY, O_RDWR } = nodeModule<{ readonly constants: Readonly<Record<string, number>> }>("node:fs")
    .constants as { readonly O_DIRECT?: number; readonly O_RDONLY: number; readonly O_RDWR: number };
  const refusal = `cannot open '${path}' past the host's cache`;
  if (O_DIRECT === undefined) throw new BackendError("BACKEND_DIRECT", `${refusal}: this host has no O_DIRECT`);
  const flags = (readOnly ? O_RDONLY : O_RDWR) | O_DIRECT;
  const file = await nodeModule<FileCalls>("node:fs/promises").open(path, flags).catch(naming(refusal));
  const aligned = throughAlignedMemory(file);
  try {
    // A sector that is not the first: on a disk of larger sectors it cannot be read alone.
    await aligned.read(new Uint8Array(SECTOR_LENGTH), 0, SECTOR_LENGTH, SECTOR_LENGTH).catch(naming(refusal));
    return aligned;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** EINVAL is the word for "not in this way". */
function naming(refusal: string): (cause: unknown) => never {
  return (cause) => {
    throw (cause as { readonly code?: unknown }).code === "EINVAL"
      ? hostFailure("BACKEND_DIRECT", refusal, cause)
      : cause;
  };
}

/**
 * `file`, by way of memory whose addresses suit disks. JavaScript does not know where its buffers stand; a WebAssembly
 * memory stands at the beginning of a page.
 */
function throughAlignedMemory(file: FileHandle): FileHandle {
  const { Memory } = (globalThis as unknown as { readonly WebAssembly: AlignedMemory }).WebAssembly;
  const pages = (PIECES * PIECE_LENGTH) / PAGE_LENGTH;
  const { buffer } = new Memory({ initial: pages, maximum: pages });
  const free = Array.from({ length: PIECES }, (_, i) => new Uint8Array(buffer, i * PIECE_LENGTH, PIECE_LENGTH));
  const waiting: ((piece: Uint8Array<ArrayBuffer>) => void)[] = [];

  async function withPiece<T>(work: (piece: Uint8Array) => Promise<T>): Promise<T> {
    const piece = free.pop() ?? (await new Promise<Uint8Array<ArrayBuffer>>((resolve) => waiting.push(resolve)));
    try {
      return await work(piece);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free.push(piece);
      else next(piece);
    }
  }

  return {
    fd: file.fd,
    stat: (options) => file.stat(options),
    read: (buf, offset, length, position) =>
      withPiece(async (piece) => {
        const { bytesRead } = await file.read(piece, 0, Math.min(length, PIECE_LENGTH), position);
        buf.set(piece.subarray(0, bytesRead), offset);
        return { bytesRead };
      }),
    write: (buf, offset, length, position) =>
      withPiece((piece) => {
        const count = Math.min(length, PIECE_LENGTH);
        piece.set(buf.subarray(offset, offset + count));
        return file.write(piece, 0, count, position);
      }),
    datasync: () => file.datasync(),
    close: () => file.close(),
  };
}

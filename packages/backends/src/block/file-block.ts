import { BackendError, type BlockBackend } from "@tsvm/contracts";
import { hostFailure, nodeModule } from "../host-calls.ts";
import { checkBlockRange, checkWritable, SECTOR_LENGTH, sectorsOf } from "./block-range.ts";
import { openDirectFile } from "./direct-file.ts";
import type { FileCalls, FileHandle } from "./file-handle.ts";
import { findZeroRanges, type ZeroRanges } from "./file-zeroes.ts";
import { type ImageLock, lockImage } from "./image-lock.ts";

export interface FileBlockOptions {
  /** A raw image: sector 0 stands at its start. */
  readonly path: string;
  /** Default false. A read-only image may be open any number of times. */
  readonly readOnly?: boolean;
  /** `flush` does not wait for stable storage: fast, and a crash of the host may cost the disk. Default false. */
  readonly unsafeFlush?: boolean;
  /** Reads and writes go past the host's page cache (`O_DIRECT`). Default false. */
  readonly direct?: boolean;
  /** How ranges become zero without being written; default: what the host has, if anything. Null: they are written. */
  readonly zeroRanges?: ZeroRanges | null;
}

/** Zeroes written at a time where the host has no better way. */
const ZEROES_LENGTH = 256 * 1024;

/** A disk in a file, to be closed by its owner. */
export interface FileBlock extends BlockBackend {
  /** Waits for what is under way, and for stable storage; then lets go of the file. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Opens a raw disk image. Reads and writes go on at the same time; `flush` is fdatasync.
 * @throws BackendError (as a rejection) `BACKEND_OPEN`: missing, not allowed, or not a regular file. `BACKEND_SIZE`: not
 * whole sectors. `BACKEND_LOCKED`: another machine writes it. `BACKEND_DIRECT`: there is no way past the host's cache.
 */
export async function openFileBlock(options: FileBlockOptions): Promise<FileBlock> {
  const { path, readOnly = false } = options;
  const file = await open(options);
  try {
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) throw new BackendError("BACKEND_OPEN", `cannot open '${path}': not a regular file`);
    const sectorCount = sectorsOf(Number(stat.size), `'${path}'`);
    const lock = readOnly ? undefined : await lockImage(path, stat.dev, stat.ino);
    return new OpenFile(file, options, sectorCount, lock);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function open({ path, readOnly = false, direct = false }: FileBlockOptions): Promise<FileHandle> {
  try {
    if (direct) return await openDirectFile(path, readOnly);
    return await nodeModule<FileCalls>("node:fs/promises").open(path, readOnly ? "r" : "r+");
  } catch (cause) {
    if (cause instanceof BackendError) throw cause;
    throw hostFailure("BACKEND_OPEN", `cannot open '${path}'${readOnly ? "" : " for writing"}`, cause);
  }
}

class OpenFile implements FileBlock {
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly #path: string;
  readonly #waitsForStorage: boolean;
  readonly #file: FileHandle;
  readonly #lock: ImageLock | undefined;
  readonly #zeroRanges: ZeroRanges | null | undefined;
  #closing: Promise<void> | undefined;

  constructor(file: FileHandle, options: FileBlockOptions, sectorCount: number, lock: ImageLock | undefined) {
    this.sectorCount = sectorCount;
    this.readOnly = options.readOnly ?? false;
    this.#path = options.path;
    this.#waitsForStorage = !this.readOnly && options.unsafeFlush !== true;
    this.#file = file;
    this.#lock = lock;
    this.#zeroRanges = options.zeroRanges;
  }

  async read(sector: number, buf: Uint8Array): Promise<void> {
    checkBlockRange(this.sectorCount, sector, buf.length);
    const position = sector * SECTOR_LENGTH;
    await this.#attempt("BACKEND_READ", "read", async () => {
      for (let done = 0; done < buf.length; ) {
        const { bytesRead } = await this.#file.read(buf, done, buf.length - done, position + done);
        // The file became shorter since it was opened.
        if (bytesRead === 0) throw Object.assign(new Error("unexpected end of file"), { code: "EOF" });
        done += bytesRead;
      }
    });
  }

  async write(sector: number, buf: Uint8Array): Promise<void> {
    checkWritable(this.readOnly);
    checkBlockRange(this.sectorCount, sector, buf.length);
    await this.#attempt("BACKEND_WRITE", "write", () => this.#writeAll(sector * SECTOR_LENGTH, buf));
  }

  async writeZeroes(sector: number, count: number, unmap: boolean): Promise<void> {
    checkWritable(this.readOnly);
    checkBlockRange(this.sectorCount, sector, count * SECTOR_LENGTH);
    const [position, length] = [sector * SECTOR_LENGTH, count * SECTOR_LENGTH];
    const ranges = this.#rangeCalls();
    const range = unmap ? ranges?.punch : ranges?.zero;
    if (length === 0 || range?.(this.#file.fd, position, length)) return;
    const zeroes = new Uint8Array(Math.min(length, ZEROES_LENGTH));
    await this.#attempt("BACKEND_WRITE", "write", async () => {
      for (let done = 0; done < length; done += zeroes.length) {
        await this.#writeAll(position + done, zeroes.subarray(0, length - done));
      }
    });
  }

  async discard(sector: number, count: number): Promise<void> {
    checkWritable(this.readOnly);
    checkBlockRange(this.sectorCount, sector, count * SECTOR_LENGTH);
    // A hint: where the host can give nothing back, nothing is done.
    if (count > 0) this.#rangeCalls()?.punch(this.#file.fd, sector * SECTOR_LENGTH, count * SECTOR_LENGTH);
  }

  async flush(): Promise<void> {
    if (this.#waitsForStorage) await this.#attempt("BACKEND_FLUSH", "flush", () => this.#file.datasync());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      // Node closes a handle only when its operations have ended.
      await this.#file.close();
      this.#lock?.release();
    }
  }

  async #writeAll(position: number, buf: Uint8Array): Promise<void> {
    for (let done = 0; done < buf.length; ) {
      done += (await this.#file.write(buf, done, buf.length - done, position + done)).bytesWritten;
    }
  }

  #rangeCalls(): ZeroRanges | null | undefined {
    return this.#zeroRanges === undefined ? findZeroRanges() : this.#zeroRanges;
  }

  async #attempt(code: string, verb: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      throw hostFailure(code, `cannot ${verb} '${this.#path}'`, cause);
    }
  }
}

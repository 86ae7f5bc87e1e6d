import { BackendError } from "@tsvm/contracts";
import { checkBlockRange, SECTOR_LENGTH } from "../block/block-range.ts";
import { hostFailure } from "../host-calls.ts";
import type { IdentifiedBlock } from "./identified-block.ts";
import {
  CLUSTER_BYTES,
  CLUSTER_SECTORS,
  decodeHeader,
  encodeHeader,
  slotAt,
  storableIdentity,
} from "./overlay-format.ts";
import { createOverlayMap, type OverlayMap } from "./overlay-map.ts";
import { type SyncFile, writeAll } from "./sync-file.ts";

export interface PersistentOverlayOptions {
  /** What people call the overlay, in messages. */
  readonly name: string;
  /** What is seen where nothing was written; never written itself. Its `identity` binds the overlay to it. */
  readonly base: IdentifiedBlock;
  /** Empty, or what an earlier overlay has left. Owned by the overlay from here on, also when opening it fails. */
  readonly file: SyncFile;
  /** Milliseconds after which a write is flushed even if the guest does not ask for it; default: never. */
  readonly flushAfterMs?: number;
}

/** A writable disk, to be closed by its owner. */
export interface PersistentOverlay extends IdentifiedBlock {
  /** Bytes of the file. */
  readonly overlayBytes: number;
  /** Flushes, and lets go of the file. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * A writable disk over an image that is only read; what is written survives in `file`. After a crash, of the page or of
 * the host, everything is there that was written before the last `flush`, and of later writes each sector is the new or
 * the old one.
 *
 * The file is not trusted: whatever it holds, it is an overlay of this image in all its parts, or it is refused.
 * @throws BackendError `BACKEND_OVERLAY_DAMAGED`: no overlay, or one with damage. `BACKEND_OVERLAY_STALE`: of another image.
 * `BACKEND_OPEN`: the host refused.
 */
export function openPersistentOverlay(options: PersistentOverlayOptions): PersistentOverlay {
  const { name, file } = options;
  try {
    return new OpenOverlay(options, openMap(options));
  } catch (cause) {
    file.close();
    if (cause instanceof BackendError) throw cause;
    throw hostFailure("BACKEND_OPEN", `cannot open the changes kept as '${name}'`, cause);
  }
}

function openMap({ name, base, file }: PersistentOverlayOptions): OverlayMap {
  const { sectorCount } = base;
  const header = new Uint8Array(CLUSTER_BYTES);
  file.read(header, { at: 0 });
  // A crash while the header was being written leaves none, or zeros: nothing was kept yet.
  if (file.getSize() <= CLUSTER_BYTES && header.every((byte) => byte === 0)) {
    const salt = Math.floor(Math.random() * 2 ** 32);
    writeAll(file, encodeHeader({ sectorCount, identity: base.identity, salt }), 0);
    file.flush();
    return createOverlayMap({ name, file, salt, sectorCount });
  }
  const found = decodeHeader(header, name);
  if (found.sectorCount !== sectorCount || found.identity !== storableIdentity(base.identity)) {
    const which = `the image is '${base.identity}', they are of '${found.identity}'`;
    throw new BackendError("BACKEND_OVERLAY_STALE", `the changes kept as '${name}' belong to another image: ${which}`);
  }
  return createOverlayMap({ name, file, salt: found.salt, sectorCount });
}

/** Part of a transfer that lies within one cluster of the disk. */
interface Piece {
  readonly cluster: number;
  /** Its first sector, counted in the cluster. */
  readonly first: number;
  readonly count: number;
  /** The transfer's bytes for it. */
  readonly bytes: Uint8Array;
}

class OpenOverlay implements PersistentOverlay {
  readonly sectorCount: number;
  readonly readOnly = false;
  readonly identity: string;
  readonly #name: string;
  readonly #base: IdentifiedBlock;
  readonly #file: SyncFile;
  readonly #map: OverlayMap;
  readonly #flushAfterMs: number | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor({ name, base, file, flushAfterMs }: PersistentOverlayOptions, map: OverlayMap) {
    this.sectorCount = base.sectorCount;
    this.identity = base.identity;
    this.#name = name;
    this.#base = base;
    this.#file = file;
    this.#map = map;
    this.#flushAfterMs = flushAfterMs;
  }

  get overlayBytes(): number {
    return this.#closed ? 0 : this.#file.getSize();
  }

  async read(sector: number, buf: Uint8Array): Promise<void> {
    checkBlockRange(this.sectorCount, sector, buf.length);
    const pieces = split(sector, buf);
    if (!pieces.every((piece) => this.#hasAll(piece))) await this.#base.read(sector, buf);
    this.#attempt("BACKEND_READ", "read", () => {
      for (const piece of pieces) this.#readPiece(piece);
    });
  }

  async write(sector: number, buf: Uint8Array): Promise<void> {
    checkBlockRange(this.sectorCount, sector, buf.length);
    this.#attempt("BACKEND_WRITE", "write", () => {
      for (const { cluster, first, count, bytes } of split(sector, buf)) {
        const slot = this.#map.slotFor(cluster);
        writeAll(this.#file, bytes, slotAt(slot) + first * SECTOR_LENGTH);
        this.#map.add(slot, maskOf(first, count));
      }
    });
    if (this.#flushAfterMs === undefined || this.#flushTimer !== undefined) return;
    // Of its failure the guest hears by its own flush.
    this.#flushTimer = setTimeout(() => void this.flush().catch(() => {}), this.#flushAfterMs);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#attempt("BACKEND_FLUSH", "flush", () => {
      this.#file.flush();
      if (this.#map.writeChanged()) this.#file.flush();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush();
    } finally {
      this.#closed = true;
      this.#file.close();
    }
  }

  #hasAll({ cluster, first, count }: Piece): boolean {
    const wanted = maskOf(first, count);
    return (this.#map.sectorsOf(this.#map.find(cluster)) & wanted) === wanted;
  }

  /** Lays over `bytes` the sectors that the overlay has, each run of them by one read. */
  #readPiece({ cluster, first, count, bytes }: Piece): void {
    const slot = this.#map.find(cluster);
    const present = this.#map.sectorsOf(slot);
    for (let i = 0; i < count; ) {
      const from = i;
      while (i < count && present & (1 << (first + i))) i++;
      if (i > from) {
        const run = bytes.subarray(from * SECTOR_LENGTH, i * SECTOR_LENGTH);
        const read = this.#file.read(run, { at: slotAt(slot as number) + (first + from) * SECTOR_LENGTH });
        if (read !== run.length) throw Object.assign(new Error("unexpected end of file"), { code: "EOF" });
      } else {
        i++;
      }
    }
  }

  #attempt(code: string, verb: string, work: () => void): void {
    try {
      if (this.#closed) throw new Error("closed");
      work();
    } catch (cause) {
      throw hostFailure(code, `cannot ${verb} the changes kept as '${this.#name}'`, cause);
    }
  }
}

const maskOf = (first: number, count: number): number => ((1 << count) - 1) << first;

function split(sector: number, buf: Uint8Array): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < buf.length; ) {
    const current = sector + at / SECTOR_LENGTH;
    const cluster = Math.floor(current / CLUSTER_SECTORS);
    const first = current % CLUSTER_SECTORS;
    const bytes = buf.subarray(at, at + (CLUSTER_SECTORS - first) * SECTOR_LENGTH);
    pieces.push({ cluster, first, count: bytes.length / SECTOR_LENGTH, bytes });
    at += bytes.length;
  }
  return pieces;
}

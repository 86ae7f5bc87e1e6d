import type { SyncFile } from "../src/web-block/sync-file.ts";

/** A file in memory that knows what a power failure would leave of it. */
export interface FakeSyncFile extends SyncFile {
  /** All that a reader sees now. */
  readonly bytes: Uint8Array;
  readonly closed: boolean;
  /** Bytes it may grow to; then writes fail as when the quota is used up. */
  limit: number;
  /**
   * What storage holds after a power failure: everything that was flushed, and of each sector written since the old
   * contents or the new, as `survives` decides.
   */
  crash(survives: () => boolean): Uint8Array;
}

/** What storage writes whole or not at all. */
const ATOM = 512;

/** A file that holds `contents`, all of it on stable storage. */
export function createFakeSyncFile(contents: Uint8Array = new Uint8Array(0)): FakeSyncFile {
  let bytes: Uint8Array = contents.slice();
  let stored: Uint8Array = contents.slice();
  let closed = false;
  /** Sectors in the order they were written since the last flush. */
  let pending: { readonly at: number; readonly bytes: Uint8Array }[] = [];

  const grow = (from: Uint8Array, size: number): Uint8Array => {
    const grown = new Uint8Array(size);
    grown.set(from.subarray(0, size));
    return grown;
  };
  const check = (end: number): void => {
    if (closed) throw new DOMException("closed", "InvalidStateError");
    if (end > file.limit) throw new DOMException("full", "QuotaExceededError");
  };

  const file: FakeSyncFile = {
    limit: Number.POSITIVE_INFINITY,
    get bytes() {
      return bytes;
    },
    get closed() {
      return closed;
    },
    read(buffer, { at }) {
      check(0);
      const part = bytes.subarray(at, at + buffer.length);
      buffer.set(part);
      return part.length;
    },
    write(buffer, { at }) {
      check(at + buffer.length);
      if (at + buffer.length > bytes.length) bytes = grow(bytes, at + buffer.length);
      bytes.set(buffer, at);
      for (let from = 0; from < buffer.length; ) {
        const length = Math.min(ATOM - ((at + from) % ATOM), buffer.length - from);
        pending.push({ at: at + from, bytes: buffer.slice(from, from + length) });
        from += length;
      }
      return buffer.length;
    },
    truncate(size) {
      check(size);
      bytes = grow(bytes, size);
    },
    getSize: () => bytes.length,
    flush() {
      check(0);
      stored = bytes.slice();
      pending = [];
    },
    close() {
      closed = true;
    },
    crash(survives) {
      let left = survives() ? grow(stored, bytes.length) : stored.slice();
      for (const sector of pending) {
        if (!survives()) continue;
        const end = sector.at + sector.bytes.length;
        if (end > left.length) left = grow(left, end);
        left.set(sector.bytes, sector.at);
      }
      return left;
    },
  };
  return file;
}

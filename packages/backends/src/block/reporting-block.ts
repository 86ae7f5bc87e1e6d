import type { BlockBackend } from "@tsvm/contracts";

export interface ReportingBlockOptions {
  readonly backend: BlockBackend;
  /** Gets one line without a line feed. */
  readonly report: (line: string) => void;
  /** Milliseconds from any moment on; default `Date.now`. */
  readonly nowMs?: () => number;
}

/** A guest may try again without end: at most one line in this time. */
const INTERVAL_MS = 5_000;

/**
 * The same disk, but what the host refuses is also told to the host's owner. The guest gets its I/O error as before; a
 * full disk would otherwise show nowhere but in its kernel log.
 */
export function createReportingBlock({ backend, report, nowMs = Date.now }: ReportingBlockOptions): BlockBackend {
  let nextMs = Number.NEGATIVE_INFINITY;
  let untold = 0;

  const tell = (error: unknown): void => {
    const now = nowMs();
    if (now < nextMs) {
      untold++;
      return;
    }
    const more = untold === 0 ? "" : ` (${untold} more since the last message)`;
    report(`${(error as Error).message}${more}`);
    nextMs = now + INTERVAL_MS;
    untold = 0;
  };
  const watched = (work: Promise<void>): Promise<void> => {
    work.catch(tell);
    return work;
  };

  const { writeZeroes, discard } = backend;
  return {
    sectorCount: backend.sectorCount,
    readOnly: backend.readOnly,
    read: (sector, buf) => watched(backend.read(sector, buf)),
    write: (sector, buf) => watched(backend.write(sector, buf)),
    flush: () => watched(backend.flush()),
    ...(writeZeroes && { writeZeroes: (...range) => watched(writeZeroes.apply(backend, range)) }),
    ...(discard && { discard: (...range) => watched(discard.apply(backend, range)) }),
  };
}

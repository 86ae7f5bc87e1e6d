import type { BlockBackend } from "@tsvm/contracts";
import { checkBlockRange, SECTOR_LENGTH } from "./block-range.ts";

/** Sectors kept together: memory is taken in units of 64 KiB. */
const CLUSTER_SECTORS = 128;
const CLUSTER_LENGTH = CLUSTER_SECTORS * SECTOR_LENGTH;

/** A disk of zeroes in memory, which takes memory where it was written and gives it back where it is zeroed as a whole. */
export function createSparseBlock(sectorCount: number): BlockBackend {
  const clusters = new Map<number, Uint8Array>();

  /** Calls `visit` for every part of a range that lies in one cluster: its number, and from where to where in it. */
  function forEachPart(
    sector: number,
    length: number,
    visit: (cluster: number, start: number, end: number, done: number) => void,
  ): void {
    checkBlockRange(sectorCount, sector, length);
    for (let done = 0; done < length; ) {
      const start = (sector % CLUSTER_SECTORS) * SECTOR_LENGTH + done;
      const offset = start % CLUSTER_LENGTH;
      const end = Math.min(CLUSTER_LENGTH, offset + length - done);
      visit(Math.floor(sector / CLUSTER_SECTORS) + Math.floor(start / CLUSTER_LENGTH), offset, end, done);
      done += end - offset;
    }
  }

  async function writeZeroes(sector: number, count: number): Promise<void> {
    forEachPart(sector, count * SECTOR_LENGTH, (cluster, start, end) => {
      if (end - start === CLUSTER_LENGTH) clusters.delete(cluster);
      else clusters.get(cluster)?.fill(0, start, end);
    });
  }

  return {
    sectorCount,
    readOnly: false,
    async read(sector: number, buf: Uint8Array): Promise<void> {
      forEachPart(sector, buf.length, (cluster, start, end, done) => {
        const bytes = clusters.get(cluster);
        if (bytes === undefined) buf.fill(0, done, done + end - start);
        else buf.set(bytes.subarray(start, end), done);
      });
    },
    async write(sector: number, buf: Uint8Array): Promise<void> {
      forEachPart(sector, buf.length, (cluster, start, end, done) => {
        const bytes = clusters.get(cluster) ?? new Uint8Array(CLUSTER_LENGTH);
        bytes.set(buf.subarray(done, done + end - start), start);
        clusters.set(cluster, bytes);
      });
    },
    async flush(): Promise<void> {},
    writeZeroes,
    discard: writeZeroes,
  };
}

import type { BlockBackend } from "@tsvm/contracts";
import { checkBlockRange, SECTOR_LENGTH } from "./block-range.ts";

/** Sectors kept together: memory is taken in units of 4 KiB, the block of the usual file systems. */
const CLUSTER_SECTORS = 8;

interface Cluster {
  readonly bytes: Uint8Array;
  /** One bit per sector that was written. */
  written: number;
}

/** All clusters of nothing but zeroes are this one, which is never written. */
const ZERO_CLUSTER: Cluster = {
  bytes: new Uint8Array(CLUSTER_SECTORS * SECTOR_LENGTH),
  written: (1 << CLUSTER_SECTORS) - 1,
};
const ZERO_SECTOR = new Uint8Array(SECTOR_LENGTH);

/**
 * A writable disk over one that is never written: what the guest writes is kept in memory and lost with the backend.
 * `flush` has nothing to do. Sectors are tracked one by one, so that a write never has to read first, and writes need no
 * order among each other.
 */
export function createOverlayBlock(base: BlockBackend): BlockBackend {
  const clusters = new Map<number, Cluster>();
  const { sectorCount } = base;

  /** The overlay's bytes of `sector`; undefined while they are the base's. */
  function writtenSector(sector: number): Uint8Array | undefined {
    const cluster = clusters.get(Math.floor(sector / CLUSTER_SECTORS));
    const index = sector % CLUSTER_SECTORS;
    if (cluster === undefined || (cluster.written & (1 << index)) === 0) return undefined;
    return cluster.bytes.subarray(index * SECTOR_LENGTH, (index + 1) * SECTOR_LENGTH);
  }

  function clusterFor(sector: number): Cluster {
    const number = Math.floor(sector / CLUSTER_SECTORS);
    let cluster = clusters.get(number);
    if (cluster === undefined || cluster === ZERO_CLUSTER) {
      cluster = { bytes: new Uint8Array(CLUSTER_SECTORS * SECTOR_LENGTH), written: cluster?.written ?? 0 };
      clusters.set(number, cluster);
    }
    return cluster;
  }

  function writeSector(sector: number, bytes: Uint8Array): void {
    const cluster = clusterFor(sector);
    const index = sector % CLUSTER_SECTORS;
    cluster.bytes.set(bytes, index * SECTOR_LENGTH);
    cluster.written |= 1 << index;
  }

  async function writeZeroes(sector: number, count: number): Promise<void> {
    checkBlockRange(sectorCount, sector, count * SECTOR_LENGTH);
    for (let done = 0; done < count; ) {
      const current = sector + done;
      if (current % CLUSTER_SECTORS === 0 && count - done >= CLUSTER_SECTORS) {
        clusters.set(current / CLUSTER_SECTORS, ZERO_CLUSTER);
        done += CLUSTER_SECTORS;
      } else {
        writeSector(current, ZERO_SECTOR);
        done++;
      }
    }
  }

  function isAllWritten(sector: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (writtenSector(sector + i) === undefined) return false;
    return true;
  }

  return {
    sectorCount,
    readOnly: false,
    async read(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      const count = buf.length / SECTOR_LENGTH;
      if (!isAllWritten(sector, count)) await base.read(sector, buf);
      for (let i = 0; i < count; i++) {
        const bytes = writtenSector(sector + i);
        if (bytes !== undefined) buf.set(bytes, i * SECTOR_LENGTH);
      }
    },
    async write(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      for (let at = 0; at < buf.length; at += SECTOR_LENGTH) {
        writeSector(sector + at / SECTOR_LENGTH, buf.subarray(at, at + SECTOR_LENGTH));
      }
    },
    async flush(): Promise<void> {},
    writeZeroes,
    // Clusters of zeroes take no memory.
    discard: writeZeroes,
  };
}

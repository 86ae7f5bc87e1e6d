import type { BlockBackend } from "@tsvm/contracts";
import { checkBlockRange, SECTOR_LENGTH } from "./block-range.ts";
import { createSectorSet } from "./sector-set.ts";
import { createSparseBlock } from "./sparse-block.ts";

/**
 * A writable disk over one that is never written: what the guest writes goes to `store`, a disk of the same size, and what
 * it has not written is the base's. Default: kept in memory, and lost with the backend. `flush` has nothing to do, because
 * nobody will ask for it again; so a store need not be durable.
 *
 * Sectors are tracked one by one, so that a write never has to read first.
 */
export function createOverlayBlock(
  base: BlockBackend,
  store: BlockBackend = createSparseBlock(base.sectorCount),
): BlockBackend {
  const written = createSectorSet();
  const { sectorCount } = base;

  async function writeZeroes(sector: number, count: number): Promise<void> {
    checkBlockRange(sectorCount, sector, count * SECTOR_LENGTH);
    if (store.writeZeroes === undefined) await store.write(sector, new Uint8Array(count * SECTOR_LENGTH));
    else await store.writeZeroes(sector, count, true);
    written.add(sector, count);
  }

  return {
    sectorCount,
    readOnly: false,
    async read(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      const count = buf.length / SECTOR_LENGTH;
      const parts: Promise<void>[] = [];
      for (let done = 0; done < count; ) {
        const length = written.runLength(sector + done, count - done);
        const part = buf.subarray(done * SECTOR_LENGTH, (done + length) * SECTOR_LENGTH);
        parts.push((written.has(sector + done) ? store : base).read(sector + done, part));
        done += length;
      }
      await Promise.all(parts);
    },
    async write(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      await store.write(sector, buf);
      written.add(sector, buf.length / SECTOR_LENGTH);
    },
    async flush(): Promise<void> {},
    writeZeroes,
    async discard(sector: number, count: number): Promise<void> {
      checkBlockRange(sectorCount, sector, count * SECTOR_LENGTH);
      await store.discard?.(sector, count);
    },
  };
}

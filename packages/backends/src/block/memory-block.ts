import type { BlockBackend } from "@tsvm/contracts";
import { checkBlockRange, checkWritable, SECTOR_LENGTH, sectorsOf } from "./block-range.ts";

export interface MemoryBlockOptions {
  /** The disk; used in place, not copied. Whole sectors of 512 bytes. */
  readonly bytes: Uint8Array;
  /** Default false. */
  readonly readOnly?: boolean;
}

/**
 * A disk in memory; `flush` has nothing to do.
 * @throws BackendError `BACKEND_SIZE` if `bytes` is empty or not whole sectors.
 */
export function createMemoryBlock({ bytes, readOnly = false }: MemoryBlockOptions): BlockBackend {
  const sectorCount = sectorsOf(bytes.length, "the disk");
  return {
    sectorCount,
    readOnly,
    async read(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      const at = sector * SECTOR_LENGTH;
      buf.set(bytes.subarray(at, at + buf.length));
    },
    async write(sector: number, buf: Uint8Array): Promise<void> {
      checkWritable(readOnly);
      checkBlockRange(sectorCount, sector, buf.length);
      bytes.set(buf, sector * SECTOR_LENGTH);
    },
    async flush(): Promise<void> {},
    async writeZeroes(sector: number, count: number): Promise<void> {
      checkWritable(readOnly);
      checkBlockRange(sectorCount, sector, count * SECTOR_LENGTH);
      bytes.fill(0, sector * SECTOR_LENGTH, (sector + count) * SECTOR_LENGTH);
    },
  };
}

import { BackendError } from "@tsvm/contracts";

/** Bytes of a sector, for every backend. */
export const SECTOR_LENGTH = 512;

/** Refuses what is not whole sectors of a disk of `sectorCount`. @throws BackendError `BACKEND_RANGE` */
export function checkBlockRange(sectorCount: number, sector: number, length: number): void {
  const count = length / SECTOR_LENGTH;
  if (Number.isInteger(sector) && Number.isInteger(count) && sector >= 0 && sector + count <= sectorCount) return;
  throw new BackendError("BACKEND_RANGE", `${length} bytes at sector ${sector} of a disk of ${sectorCount} sectors`);
}

/** @throws BackendError `BACKEND_READ_ONLY` if `readOnly` */
export function checkWritable(readOnly: boolean): void {
  if (readOnly) throw new BackendError("BACKEND_READ_ONLY", "the disk is read-only");
}

/**
 * The sectors of an image of `bytes` bytes.
 * @throws BackendError `BACKEND_SIZE` if that is no whole number of them, or none.
 */
export function sectorsOf(bytes: number, what: string): number {
  const count = bytes / SECTOR_LENGTH;
  if (Number.isSafeInteger(count) && count > 0) return count;
  const why = bytes < SECTOR_LENGTH ? "shorter than one sector" : "not a multiple of the sector";
  throw new BackendError("BACKEND_SIZE", `${what} has ${bytes} bytes: ${why} (512 bytes)`);
}

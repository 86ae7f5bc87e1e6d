import { checkBlockRange, checkWritable, SECTOR_LENGTH, sectorsOf } from "../block/block-range.ts";
import { hostFailure } from "../host-calls.ts";
import { createChunkReader } from "./chunk-reader.ts";
import type { IdentifiedBlock } from "./identified-block.ts";

/** What is used of a `Blob`, or of a `File` that a person has dropped or chosen. */
export interface BlobSource {
  readonly size: number;
  /** Of a `File` only. */
  readonly name?: string;
  /** Of a `File` only: milliseconds since 1970. */
  readonly lastModified?: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

const CHUNK_BYTES = 256 * 1024;
const CACHE_BYTES = 16 << 20;

/**
 * A raw disk image in a `Blob` or `File`, read as the guest asks for it and never written. Rejects with `BACKEND_READ`
 * when the file under it has changed or gone: engines then refuse to read it.
 * @throws BackendError `BACKEND_SIZE` if it is empty or not whole sectors.
 */
export function createBlobBlock(blob: BlobSource): IdentifiedBlock {
  const name = blob.name ?? "blob";
  const sectorCount = sectorsOf(blob.size, `'${name}'`);
  const read = createChunkReader({
    length: blob.size,
    chunkBytes: CHUNK_BYTES,
    cacheBytes: CACHE_BYTES,
    fetch: async (offset, length) => {
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw hostFailure("BACKEND_READ", `cannot read '${name}': it has changed, or is gone`, cause);
      }
    },
  });
  return {
    sectorCount,
    readOnly: true,
    identity: `file ${name}, ${blob.size} bytes, modified ${blob.lastModified ?? 0}`,
    async read(sector: number, buf: Uint8Array): Promise<void> {
      checkBlockRange(sectorCount, sector, buf.length);
      await read(sector * SECTOR_LENGTH, buf);
    },
    async write(): Promise<void> {
      checkWritable(true);
    },
    async flush(): Promise<void> {},
  };
}

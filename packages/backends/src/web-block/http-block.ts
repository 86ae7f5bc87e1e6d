import { BackendError } from "@tsvm/contracts";
import { checkBlockRange, checkWritable, SECTOR_LENGTH, sectorsOf } from "../block/block-range.ts";
import { createChunkReader } from "./chunk-reader.ts";
import { createRangeClient, type HttpFetch } from "./http-ranges.ts";
import type { IdentifiedBlock } from "./identified-block.ts";

/** Where a disk image is, and how it is fetched. */
export interface HttpBlockOptions {
  /** Absolute, or relative to the page. The server must answer range requests, and allow them if it is another origin. */
  readonly url: string;
  /** Default: the engine's. */
  readonly fetch?: HttpFetch;
  /** Bytes asked for at least; default 128 KiB. */
  readonly chunkBytes?: number;
  /** Bytes of the image kept in memory; default 32 MiB. */
  readonly cacheBytes?: number;
  /** Milliseconds to wait before a request that failed is sent again, one entry a repetition; default 250 and 1500. */
  readonly retryMs?: readonly number[];
}

const CHUNK_BYTES = 128 * 1024;
const CACHE_BYTES = 32 << 20;
const RETRY_MS = [250, 1500] as const;

/**
 * A raw disk image on a web server, fetched piece by piece as the guest asks for it and never written. A piece that the
 * network has lost is asked for again; an image that changes on the server meanwhile is refused rather than mixed.
 * @throws BackendError (as a rejection) `BACKEND_OPEN`: not there, not allowed, or the server ignores ranges.
 * `BACKEND_SIZE`: empty, or not whole sectors.
 */
export async function openHttpBlock(options: HttpBlockOptions): Promise<IdentifiedBlock> {
  const { url, chunkBytes = CHUNK_BYTES, cacheBytes = CACHE_BYTES, retryMs = RETRY_MS } = options;
  const client = createRangeClient({ url, fetch: options.fetch ?? engineFetch(), retryMs });
  const { length, identity } = await client.probe();
  const sectorCount = sectorsOf(length, `'${url}'`);
  const read = createChunkReader({ length, chunkBytes, cacheBytes, fetch: client.fetchRange });
  return {
    sectorCount,
    readOnly: true,
    identity,
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

function engineFetch(): HttpFetch {
  const { fetch } = globalThis as { fetch?: HttpFetch };
  if (fetch === undefined) throw new BackendError("BACKEND_UNAVAILABLE", "this host has no fetch");
  // Browsers refuse a fetch that is called as a method of something else.
  return (url, init) => fetch(url, init);
}

/** A read-only run of bytes that is read in chunks and remembered. */
export interface ChunkReaderOptions {
  /** Bytes of the whole. */
  readonly length: number;
  /** Bytes fetched at least; requests begin and end at multiples of it. */
  readonly chunkBytes: number;
  /** Bytes kept of what was fetched; what was used longest ago goes first. */
  readonly cacheBytes: number;
  /** Fetches exactly `length` bytes from `offset`. What it rejects with reaches all who wait for them. */
  readonly fetch: (offset: number, length: number) => Promise<Uint8Array>;
}

/** Fills `buf` with the bytes from `offset` on; the range must lie within the whole. */
export type ChunkReader = (offset: number, buf: Uint8Array) => Promise<void>;

/** A request asks for at most so many bytes, so that the first of them do not wait for the last. */
const REQUEST_BYTES = 1 << 20;

/**
 * Reads through a cache of chunks, for sources whose every request costs more than the bytes it brings. Neighbouring
 * chunks that are missing are fetched by one request, and a chunk that is under way is not asked for again.
 */
export function createChunkReader(options: ChunkReaderOptions): ChunkReader {
  const { length, chunkBytes, cacheBytes } = options;
  const chunksMax = Math.max(1, Math.floor(cacheBytes / chunkBytes));
  const requestChunks = Math.max(1, Math.floor(REQUEST_BYTES / chunkBytes));
  /** By number, used longest ago first. */
  const chunks = new Map<number, Promise<Uint8Array>>();

  /** Asks for `count` chunks from `first` on; none of them is in the cache. */
  function request(first: number, count: number): void {
    const offset = first * chunkBytes;
    const whole = options.fetch(offset, Math.min(count * chunkBytes, length - offset));
    for (let i = 0; i < count; i++) {
      // Copied, or one chunk that stays would keep the whole answer in memory.
      const chunk = whole.then((bytes) => bytes.slice(i * chunkBytes, (i + 1) * chunkBytes));
      // What failed is asked for again by the next reader.
      chunk.catch(() => chunks.get(first + i) === chunk && chunks.delete(first + i));
      chunks.set(first + i, chunk);
    }
  }

  function requestMissing(first: number, last: number): void {
    for (let number = first; number <= last; number++) {
      if (chunks.has(number)) continue;
      let count = 1;
      while (count < requestChunks && number + count <= last && !chunks.has(number + count)) count++;
      request(number, count);
      number += count - 1;
    }
  }

  /** The chunk, as the one that was used last. */
  function use(number: number): Promise<Uint8Array> {
    const chunk = chunks.get(number) as Promise<Uint8Array>;
    chunks.delete(number);
    chunks.set(number, chunk);
    return chunk;
  }

  function forgetOldest(): void {
    for (const number of chunks.keys()) {
      if (chunks.size <= chunksMax) return;
      chunks.delete(number);
    }
  }

  return async (offset, buf) => {
    if (buf.length === 0) return;
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + buf.length - 1) / chunkBytes);
    requestMissing(first, last);
    const wanted = Array.from({ length: last - first + 1 }, (_, i) => use(first + i));
    forgetOldest();
    const parts = await Promise.all(wanted);
    for (const [i, part] of parts.entries()) {
      const at = (first + i) * chunkBytes - offset;
      const from = Math.max(0, -at);
      buf.set(part.subarray(from, buf.length - at), at + from);
    }
  };
}

/** A set of sectors of a disk, however large: memory is taken for the parts of it that are in use. */
export interface SectorSet {
  /** Adds `count` sectors from `sector` on. */
  add(sector: number, count: number): void;
  /**
   * How many sectors from `sector` on, at most `limit`, are alike: all in the set or none. `limit` is at least 1.
   */
  runLength(sector: number, limit: number): number;
  has(sector: number): boolean;
}

/** Sectors of one chunk: 16 MiB of disk in 4 KiB of bits. */
const CHUNK_SECTORS = 32_768;

export function createSectorSet(): SectorSet {
  const chunks = new Map<number, Uint8Array>();

  function has(sector: number): boolean {
    const bits = chunks.get(Math.floor(sector / CHUNK_SECTORS));
    const index = sector % CHUNK_SECTORS;
    return bits !== undefined && ((bits[index >> 3] as number) & (1 << (index & 7))) !== 0;
  }

  function chunkOf(sector: number): Uint8Array {
    const number = Math.floor(sector / CHUNK_SECTORS);
    let bits = chunks.get(number);
    if (bits === undefined) {
      bits = new Uint8Array(CHUNK_SECTORS / 8);
      chunks.set(number, bits);
    }
    return bits;
  }

  return {
    add(sector: number, count: number): void {
      for (let current = sector; current < sector + count; current++) {
        const index = current % CHUNK_SECTORS;
        const bits = chunkOf(current);
        bits[index >> 3] = (bits[index >> 3] as number) | (1 << (index & 7));
      }
    },
    runLength(sector: number, limit: number): number {
      const wanted = has(sector);
      let length = 1;
      while (length < limit && has(sector + length) === wanted) length++;
      return length;
    },
    has,
  };
}

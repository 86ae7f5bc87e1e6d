import { describe, expect, it } from "vitest";
import { createChunkReader } from "./chunk-reader.ts";

const LENGTH = 1000;
const source = Uint8Array.from({ length: LENGTH }, (_, i) => i * 7);

function setUp(cacheBytes = 1e6) {
  const asked: [number, number][] = [];
  const fail = { next: false };
  const read = createChunkReader({
    length: LENGTH,
    chunkBytes: 64,
    cacheBytes,
    fetch: async (offset, length) => {
      asked.push([offset, length]);
      if (fail.next) throw new Error("lost");
      return source.slice(offset, offset + length);
    },
  });
  const get = async (offset: number, length: number): Promise<Uint8Array> => {
    const buf = new Uint8Array(length);
    await read(offset, buf);
    return buf;
  };
  return { asked, fail, get };
}

describe("createChunkReader", () => {
  it("gives the bytes of any range", async () => {
    const { get } = setUp(128);
    for (const [offset, length] of [
      [0, 1],
      [63, 2],
      [64, 64],
      [100, 700],
      [990, 10],
      [0, LENGTH],
      [5, 0],
    ] as const) {
      expect(await get(offset, length)).toEqual(source.slice(offset, offset + length));
    }
  });

  it("asks once for neighbours, never for what it has, and not past the end", async () => {
    const { asked, get } = setUp();
    await get(130, 1);
    await get(10, 300);
    await get(0, LENGTH);
    expect(asked).toEqual([
      [128, 64],
      [0, 128],
      [192, 128],
      [320, LENGTH - 320],
    ]);
  });

  it("does not ask again for what is under way", async () => {
    const { asked, get } = setUp();
    await Promise.all([get(0, 10), get(20, 10), get(40, 100)]);
    expect(asked).toEqual([
      [0, 64],
      [64, 128],
    ]);
  });

  it("forgets what was used longest ago", async () => {
    const { asked, get } = setUp(2 * 64);
    await get(0, 1);
    await get(64, 1);
    await get(0, 1);
    await get(128, 1);
    asked.length = 0;
    await get(0, 1);
    await get(64, 1);
    expect(asked).toEqual([[64, 64]]);
  });

  it("passes a failure on, and asks again the next time", async () => {
    const { fail, get } = setUp();
    fail.next = true;
    await expect(get(0, 10)).rejects.toThrow("lost");
    fail.next = false;
    expect(await get(0, 10)).toEqual(source.slice(0, 10));
  });
});

import type { BlockBackend } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";

const SECTOR = 512;

/** Sectors of the disk that {@link testBlockBackend} asks for. */
export const CONTRACT_SECTORS = 300;

function pattern(sectors: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: sectors * SECTOR }, (_, i) => (i * 31 + seed * 101 + (i >>> 9)) & 0xff);
}

/**
 * What every {@link BlockBackend} owes. `create` makes a writable disk of {@link CONTRACT_SECTORS} sectors, all zero;
 * `createReadOnly` one of the same kind that cannot be written.
 */
export function testBlockBackend(
  name: string,
  create: () => Promise<BlockBackend>,
  createReadOnly?: () => Promise<BlockBackend>,
): void {
  describe(`${name} as a BlockBackend`, () => {
    it("has the sectors it was made with, all zero", async () => {
      const disk = await create();
      expect([disk.sectorCount, disk.readOnly]).toEqual([CONTRACT_SECTORS, false]);
      const all = new Uint8Array(CONTRACT_SECTORS * SECTOR).fill(1);
      await disk.read(0, all);
      expect(all.every((byte) => byte === 0)).toBe(true);
    });

    it("gives back what was written, and leaves the neighbours alone", async () => {
      const disk = await create();
      const model = new Uint8Array(CONTRACT_SECTORS * SECTOR);
      for (const [sector, count] of [
        [0, 1],
        [7, 2],
        [120, 17],
        [127, 3],
        [CONTRACT_SECTORS - 1, 1],
        [8, 1],
      ] as const) {
        const data = pattern(count, sector);
        await disk.write(sector, data);
        model.set(data, sector * SECTOR);
        data.fill(0);
      }
      await disk.flush();
      const all = new Uint8Array(model.length);
      await disk.read(0, all);
      expect(all).toEqual(model);
      const part = new Uint8Array(5 * SECTOR);
      await disk.read(125, part);
      expect(part).toEqual(model.slice(125 * SECTOR, 130 * SECTOR));
    });

    it("carries many operations at a time", async () => {
      const disk = await create();
      await Promise.all(Array.from({ length: 64 }, (_, i) => disk.write(i * 4, pattern(4, i))));
      const parts = Array.from({ length: 64 }, () => new Uint8Array(4 * SECTOR));
      await Promise.all(parts.map((part, i) => disk.read(i * 4, part)));
      expect(parts.every((part, i) => Buffer.compare(part, pattern(4, i)) === 0)).toBe(true);
    });

    it.each([
      ["past the end", CONTRACT_SECTORS, SECTOR],
      ["across the end", CONTRACT_SECTORS - 1, 2 * SECTOR],
      ["before the start", -1, SECTOR],
      ["at half a sector", 0.5, SECTOR],
      ["of half a sector", 0, SECTOR / 2],
      ["nowhere", Number.NaN, SECTOR],
    ])("refuses a transfer %s by a BackendError, and changes nothing", async (_, sector, length) => {
      const disk = await create();
      const refusal = { code: "BACKEND_RANGE" };
      await expect(disk.read(sector, new Uint8Array(length))).rejects.toMatchObject(refusal);
      await expect(disk.write(sector, new Uint8Array(length).fill(9))).rejects.toMatchObject(refusal);
      const all = new Uint8Array(CONTRACT_SECTORS * SECTOR);
      await disk.read(0, all);
      expect(all.includes(9)).toBe(false);
    });

    it("writes zeroes over what was there and nothing beside it, if it has a way to", async () => {
      const disk = await create();
      if (disk.writeZeroes === undefined) return;
      const model = pattern(CONTRACT_SECTORS, 1);
      await disk.write(0, model);
      for (const [sector, count, unmap] of [
        [3, 1, false],
        [13, 70, true],
        [96, 24, false],
        [200, 0, true],
        [CONTRACT_SECTORS - 9, 9, true],
      ] as const) {
        await disk.writeZeroes(sector, count, unmap);
        model.fill(0, sector * SECTOR, (sector + count) * SECTOR);
      }
      const over = pattern(3, 2);
      await disk.write(20, over);
      model.set(over, 20 * SECTOR);
      const all = new Uint8Array(model.length);
      await disk.read(0, all);
      expect(Buffer.compare(all, model)).toBe(0);
    });

    it("keeps what was not discarded, if it discards", async () => {
      const disk = await create();
      if (disk.discard === undefined) return;
      const model = pattern(CONTRACT_SECTORS, 3);
      await disk.write(0, model);
      await disk.discard(13, 70);
      await disk.discard(0, 0);
      const all = new Uint8Array(model.length);
      await disk.read(0, all);
      const kept = (bytes: Uint8Array) => [bytes.subarray(0, 13 * SECTOR), bytes.subarray(83 * SECTOR)];
      expect(Buffer.compare(Buffer.concat(kept(all)), Buffer.concat(kept(model)))).toBe(0);
    });

    it.each([
      ["past the end", CONTRACT_SECTORS - 1, 2],
      ["before the start", -1, 1],
      ["of half a sector", 0, 0.5],
    ])("refuses zeroes and discards %s by a BackendError", async (_, sector, count) => {
      const disk = await create();
      const refusal = { code: "BACKEND_RANGE" };
      if (disk.writeZeroes) await expect(disk.writeZeroes(sector, count, true)).rejects.toMatchObject(refusal);
      if (disk.discard) await expect(disk.discard(sector, count)).rejects.toMatchObject(refusal);
    });

    if (createReadOnly === undefined) return;
    it("can be read-only, and then refuses writes by a BackendError", async () => {
      const disk = await createReadOnly();
      expect(disk.readOnly).toBe(true);
      await disk.read(0, new Uint8Array(SECTOR));
      const refusal = { code: "BACKEND_READ_ONLY" };
      await expect(disk.write(0, new Uint8Array(SECTOR))).rejects.toMatchObject(refusal);
      if (disk.writeZeroes) await expect(disk.writeZeroes(0, 1, false)).rejects.toMatchObject(refusal);
      if (disk.discard) await expect(disk.discard(0, 1)).rejects.toMatchObject(refusal);
      await disk.flush();
    });
  });
}

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

    if (createReadOnly === undefined) return;
    it("can be read-only, and then refuses writes by a BackendError", async () => {
      const disk = await createReadOnly();
      expect(disk.readOnly).toBe(true);
      await disk.read(0, new Uint8Array(SECTOR));
      await expect(disk.write(0, new Uint8Array(SECTOR))).rejects.toMatchObject({ code: "BACKEND_READ_ONLY" });
      await disk.flush();
    });
  });
}

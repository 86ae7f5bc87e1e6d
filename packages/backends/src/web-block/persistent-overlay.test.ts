import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFakeSyncFile, type FakeSyncFile } from "../../test/fake-sync-file.ts";
import { createBlobBlock } from "./blob-block.ts";
import type { IdentifiedBlock } from "./identified-block.ts";
import { mapBlockAt, slotAt } from "./overlay-format.ts";
import { openPersistentOverlay, type PersistentOverlay } from "./persistent-overlay.ts";

const image = (sectors: number, fill = 0): IdentifiedBlock =>
  createBlobBlock(new Blob([new Uint8Array(sectors * 512).fill(fill)]));

const open = (file: FakeSyncFile, base: IdentifiedBlock): PersistentOverlay =>
  openPersistentOverlay({ name: "disk.img", base, file });

testBlockBackend("openPersistentOverlay", async () => open(createFakeSyncFile(), image(CONTRACT_SECTORS)));

/** An overlay of 64 sectors with something written, closed. */
async function used(): Promise<FakeSyncFile> {
  const file = createFakeSyncFile();
  const disk = open(file, image(64, 1));
  await disk.write(3, new Uint8Array(512).fill(2));
  await disk.write(15, new Uint8Array(1024).fill(3));
  await disk.close();
  return createFakeSyncFile(file.bytes);
}

describe("openPersistentOverlay", () => {
  it("finds again what was written, sector by sector, over the image", async () => {
    const disk = open(await used(), image(64, 1));
    const all = new Uint8Array(64 * 512);
    await disk.read(0, all);
    const firsts = Array.from({ length: 64 }, (_, sector) => all[sector * 512]);
    expect(firsts).toEqual(firsts.map((_, sector) => (sector === 3 ? 2 : sector === 15 || sector === 16 ? 3 : 1)));
  });

  it("does not ask the image for what it has itself", async () => {
    const base = { ...image(64), read: () => Promise.reject(new Error("asked")) };
    const disk = open(createFakeSyncFile(), base);
    await disk.write(6, new Uint8Array(10 * 512).fill(5));
    const own = new Uint8Array(10 * 512);
    await disk.read(6, own);
    expect(own.every((byte) => byte === 5)).toBe(true);
    await expect(disk.read(5, own)).rejects.toThrow("asked");
  });

  it("lets go of the file when it is closed, and says so to whoever goes on", async () => {
    const file = createFakeSyncFile();
    const disk = open(file, image(8));
    await disk.close();
    await disk.close();
    expect(file.closed).toBe(true);
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "BACKEND_WRITE" });
  });

  it("flushes by itself, if it was told to, when the guest does not", async () => {
    const file = createFakeSyncFile();
    const base = image(8);
    const disk = openPersistentOverlay({ name: "disk.img", base, file, flushAfterMs: 10 });
    await disk.write(2, new Uint8Array(512).fill(4));
    const sector = new Uint8Array(512);
    const keptAfterCrash = async (): Promise<number | undefined> => {
      await open(createFakeSyncFile(file.crash(() => false)), base).read(2, sector);
      return sector[0];
    };
    expect(await keptAfterCrash()).toBe(0);
    await expect.poll(keptAfterCrash).toBe(4);
  });

  it("tells the guest when the browser gives no more room, and keeps what it has", async () => {
    const file = createFakeSyncFile();
    const disk = open(file, image(64, 1));
    await disk.write(0, new Uint8Array(512).fill(2));
    file.limit = file.bytes.length;
    const refused = await disk.write(8, new Uint8Array(512).fill(3)).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "BACKEND_WRITE", message: expect.stringContaining("QuotaExceededError") });
    await disk.flush();
    const again = open(createFakeSyncFile(file.bytes), image(64, 1));
    const sector = new Uint8Array(512);
    await again.read(8, sector);
    expect(sector[0]).toBe(1);
    await again.read(0, sector);
    expect(sector[0]).toBe(2);
  });

  it.each([
    ["another size", image(72, 1)],
    ["another name", { ...image(64, 1), identity: "file other.img" }],
  ])("refuses an image of %s", async (_, base) => {
    const file = await used();
    expect(() => open(file, base)).toThrow(expect.objectContaining({ code: "BACKEND_OVERLAY_STALE" }));
    expect(file.closed).toBe(true);
  });

  it("is bound to an identity of any length", async () => {
    const base = { ...image(64), identity: "ü".repeat(5000) };
    const file = createFakeSyncFile();
    await open(file, base).close();
    expect(() => open(createFakeSyncFile(file.bytes), base)).not.toThrow();
    expect(() => open(createFakeSyncFile(file.bytes), { ...base, identity: "u".repeat(5000) })).toThrow(
      "another image",
    );
  });
});

describe("a damaged file is refused, and named", () => {
  const refusal = expect.objectContaining({
    code: "BACKEND_OVERLAY_DAMAGED",
    message: expect.stringMatching(/^the changes kept as 'disk\.img' are damaged: .+; discard it[^\n]*$/),
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["something else", () => new TextEncoder().encode("<html>not an overlay</html>".repeat(1000))],
    ["of another version", (bytes) => bytes.with(8, 2)],
    ["with a changed header", (bytes) => bytes.with(30, 0xff)],
    ["without its header", (bytes) => bytes.fill(0, 0, 4096)],
    ["cut short", (bytes) => bytes.slice(0, slotAt(1))],
    ["with an entry changed", (bytes) => bytes.with(mapBlockAt(0), 5)],
    ["with an entry moved", (bytes) => bytes.copyWithin(mapBlockAt(0) + 64, mapBlockAt(0), mapBlockAt(0) + 16)],
  ])("%s", async (_, change) => {
    const bytes = change((await used()).bytes.slice());
    expect(() => open(createFakeSyncFile(bytes), image(64, 1))).toThrow(refusal);
  });

  it("whichever bit of header or map is wrong, or the file is what it was", async () => {
    const good = (await used()).bytes;
    // The header, and the entries in use.
    const places = fc.oneof(fc.nat(4095), fc.integer({ min: mapBlockAt(0), max: mapBlockAt(0) + 47 }));
    fc.assert(
      fc.property(places, fc.nat(7), (at, bit) => {
        const bytes = good.with(at, (good[at] as number) ^ (1 << bit));
        expect(() => open(createFakeSyncFile(bytes), image(64, 1))).toThrow(refusal);
      }),
      { numRuns: 300 },
    );
  });

  it("garbage of any kind", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 9000 }), (bytes) => {
        fc.pre(bytes.some((byte) => byte !== 0));
        expect(() => open(createFakeSyncFile(bytes), image(64, 1))).toThrow(refusal);
      }),
    );
  });
});

import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createOverlayBlock } from "../block/overlay-block.ts";
import { createBlobBlock } from "./blob-block.ts";

const blank = (): Blob => new Blob([new Uint8Array(CONTRACT_SECTORS * 512)]);

testBlockBackend(
  "createBlobBlock under an overlay",
  async () => createOverlayBlock(createBlobBlock(blank())),
  async () => createBlobBlock(blank()),
);

describe("createBlobBlock", () => {
  it("reads the file at the sector's place", async () => {
    const bytes = Uint8Array.from({ length: 3000 * 512 }, (_, i) => i >>> 9);
    const disk = createBlobBlock(new Blob([bytes]));
    const buf = new Uint8Array(1024);
    await disk.read(1023, buf);
    expect([buf[0], buf[512]]).toEqual([1023 & 0xff, 1024 & 0xff]);
  });

  it("tells files apart by name, size and time", () => {
    const identity = (name: string, lastModified: number): string =>
      createBlobBlock(new File([new Uint8Array(512)], name, { lastModified })).identity;
    expect(identity("a.img", 5)).toBe(identity("a.img", 5));
    expect(new Set([identity("a.img", 5), identity("b.img", 5), identity("a.img", 6)]).size).toBe(3);
  });

  it("says that the file has changed, when the engine refuses it", async () => {
    const changed = new DOMException("no", "NotReadableError");
    const file = { size: 512, name: "a.img", slice: () => ({ arrayBuffer: () => Promise.reject(changed) }) };
    await expect(createBlobBlock(file).read(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "BACKEND_READ",
      message: "cannot read 'a.img': it has changed, or is gone: NotReadableError",
    });
  });

  it("refuses what is not whole sectors", () => {
    expect(() => createBlobBlock(new Blob([new Uint8Array(700)]))).toThrow("not a multiple");
    expect(() => createBlobBlock(new Blob([]))).toThrow("shorter than one sector");
  });
});

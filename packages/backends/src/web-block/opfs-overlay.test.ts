import { beforeEach, describe, expect, it } from "vitest";
import { createFakeSyncFile, type FakeSyncFile } from "../../test/fake-sync-file.ts";
import { createBlobBlock } from "./blob-block.ts";
import { discardOpfsOverlay, listOpfsOverlays, openOpfsOverlay, type PrivateFolder } from "./opfs-overlay.ts";

const base = createBlobBlock(new Blob([new Uint8Array(4096).fill(1)]));
let root: PrivateFolder;
beforeEach(() => {
  root = fakeRoot();
});

/** A private file system as browsers have it: one handle a file at a time. */
function fakeRoot(): PrivateFolder {
  const files = new Map<string, FakeSyncFile>();
  const folder: PrivateFolder = {
    getDirectoryHandle: async () => folder,
    async getFileHandle(name) {
      return {
        getFile: async () => ({ size: files.get(name)?.bytes.length ?? 0 }),
        async createSyncAccessHandle() {
          const present = files.get(name);
          if (present?.closed === false) throw new DOMException("busy", "NoModificationAllowedError");
          const file = createFakeSyncFile(present?.bytes);
          files.set(name, file);
          return file;
        },
      };
    },
    async removeEntry(name) {
      if (files.get(name)?.closed === false) throw new DOMException("busy", "NoModificationAllowedError");
      if (!files.delete(name)) throw new DOMException("none", "NotFoundError");
    },
    async *keys() {
      yield* files.keys();
      yield "a stranger";
    },
  };
  return folder;
}

describe("overlays in the private file system", () => {
  it("are kept by name, listed, and discarded", async () => {
    const name = "https://example.org/disk.img?x=1";
    const disk = await openOpfsOverlay({ name, base, root });
    await disk.write(1, new Uint8Array(512).fill(9));
    const bytes = disk.overlayBytes;
    await disk.close();
    expect(await listOpfsOverlays(root)).toEqual([{ name, bytes }]);
    const sector = new Uint8Array(512);
    const again = await openOpfsOverlay({ name, base, root });
    await again.read(1, sector);
    expect(sector[0]).toBe(9);
    await again.close();
    await discardOpfsOverlay(name, root);
    await discardOpfsOverlay(name, root);
    expect(await listOpfsOverlays(root)).toEqual([]);
    await (await openOpfsOverlay({ name, base, root })).read(1, sector);
    expect(sector[0]).toBe(1);
  });

  it("belong to one machine at a time", async () => {
    await openOpfsOverlay({ name: "a", base, root });
    const locked = { code: "BACKEND_LOCKED", message: "the changes kept as 'a' are in use, here or in another tab" };
    await expect(openOpfsOverlay({ name: "a", base, root })).rejects.toMatchObject(locked);
    await expect(discardOpfsOverlay("a", root)).rejects.toMatchObject(locked);
    await openOpfsOverlay({ name: "b", base, root });
  });

  it("do not exist on a host without files, or outside a worker", async () => {
    const unavailable = { code: "BACKEND_UNAVAILABLE" };
    await expect(listOpfsOverlays()).rejects.toMatchObject(unavailable);
    const outside: PrivateFolder = { ...root, getDirectoryHandle: async () => outside };
    Object.assign(outside, { getFileHandle: async () => ({ getFile: async () => ({ size: 0 }) }) });
    await expect(openOpfsOverlay({ name: "a", base, root: outside })).rejects.toMatchObject(unavailable);
  });
});

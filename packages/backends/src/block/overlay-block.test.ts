import { tmpdir } from "node:os";
import { BackendError } from "@tsvm/contracts";
import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { afterEach, expect, it } from "vitest";
import type { FileBlock } from "./file-block.ts";
import { createMemoryBlock } from "./memory-block.ts";
import { createOverlayBlock } from "./overlay-block.ts";
import { openTemporaryBlock } from "./temporary-block.ts";

const opened: FileBlock[] = [];
afterEach(async () => {
  for (const disk of opened.splice(0)) await disk.close();
});

testBlockBackend("createOverlayBlock", async () =>
  createOverlayBlock(createMemoryBlock({ bytes: new Uint8Array(CONTRACT_SECTORS * 512), readOnly: true })),
);

testBlockBackend("createOverlayBlock over a temporary file", async () => {
  const disk = await openTemporaryBlock(CONTRACT_SECTORS, tmpdir());
  opened.push(disk);
  return createOverlayBlock(createMemoryBlock({ bytes: new Uint8Array(CONTRACT_SECTORS * 512), readOnly: true }), disk);
});

it("shows the base where nothing was written, sector by sector, and never writes it", async () => {
  const bytes = new Uint8Array(16 * 512).fill(1);
  const disk = createOverlayBlock(createMemoryBlock({ bytes, readOnly: true }));
  await disk.write(3, new Uint8Array(512).fill(2));
  await disk.write(7, new Uint8Array(1024).fill(3));
  await disk.flush();
  const all = new Uint8Array(bytes.length);
  await disk.read(0, all);
  expect(Array.from({ length: 10 }, (_, sector) => all[sector * 512])).toEqual([1, 1, 1, 2, 1, 1, 1, 3, 3, 1]);
  expect(bytes.every((byte) => byte === 1)).toBe(true);
});

it("does not trouble the base for what it has itself, and passes on what the base cannot do", async () => {
  const failing = {
    ...createMemoryBlock({ bytes: new Uint8Array(4096), readOnly: true }),
    read: () => Promise.reject(new BackendError("BACKEND_READ", "gone")),
  };
  const disk = createOverlayBlock(failing);
  await disk.write(0, new Uint8Array(1024).fill(5));
  const own = new Uint8Array(1024);
  await disk.read(0, own);
  expect(own[1023]).toBe(5);
  await expect(disk.read(1, own)).rejects.toMatchObject({ code: "BACKEND_READ" });
});

it("shows the base where its own storage is full, and says so", async () => {
  const base = createMemoryBlock({ bytes: new Uint8Array(4096).fill(1), readOnly: true });
  const store = {
    ...createMemoryBlock({ bytes: new Uint8Array(4096) }),
    write: () => Promise.reject(new BackendError("BACKEND_WRITE", "full")),
  };
  const disk = createOverlayBlock(base, store);
  await expect(disk.write(1, new Uint8Array(512))).rejects.toMatchObject({ code: "BACKEND_WRITE" });
  const sector = new Uint8Array(512);
  await disk.read(1, sector);
  expect(sector[0]).toBe(1);
});

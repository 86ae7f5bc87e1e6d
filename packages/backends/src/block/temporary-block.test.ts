import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { afterAll, expect, it } from "vitest";
import type { FileBlock } from "./file-block.ts";
import { openTemporaryBlock } from "./temporary-block.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-temporary-"));
const opened: FileBlock[] = [];
afterAll(async () => {
  for (const disk of opened) await disk.close();
  rmSync(folder, { recursive: true });
});

testBlockBackend("openTemporaryBlock", async () => {
  const disk = await openTemporaryBlock(CONTRACT_SECTORS, folder);
  opened.push(disk);
  return disk;
});

it("has no name any more once it is open, and says where it could not be made", async () => {
  opened.push(await openTemporaryBlock(8));
  expect(readdirSync(folder)).toEqual([]);
  await expect(openTemporaryBlock(8, join(folder, "nowhere"))).rejects.toMatchObject({
    code: "BACKEND_OPEN",
    message: expect.stringMatching(/^cannot make temporary file '.*nowhere\/tsvm-.*': ENOENT$/),
  });
});

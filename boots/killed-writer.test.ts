// What the guest was told is on stable storage survives kill -9 of the machine; the file system needs no repair.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFileSystem, runKilledRound } from "./killed-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-killed-"));
afterAll(() => rmSync(folder, { recursive: true }));

// The second machine gets the disk as the first has left it: its guest replays the journal itself.
test("two machines killed while they write leave a file system that needs no repair, and lose nothing", async () => {
  const image = join(folder, "disk.img");
  makeFileSystem(image);
  for (const files of [2, 5]) {
    const moment = { files, thenMs: 100 * files };
    const { synced, lost, repairs } = await runKilledRound(image, moment, `killed-writer-${files}`);
    expect({ lost, repairs }).toEqual({ lost: [], repairs: "" });
    expect(synced).toBeGreaterThanOrEqual(files);
  }
}, 400_000);

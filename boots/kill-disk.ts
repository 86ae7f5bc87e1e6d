// Proof: kill -9 during writes costs neither the file system nor what was brought to stable storage.
//   node --conditions=@tsvm/source boots/kill-disk.ts [ROUNDS]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFileSystem, runKilledRound } from "./killed-writer.ts";

const rounds = Number(process.argv[2] ?? 20);
const folder = mkdtempSync(join(tmpdir(), "tsvm-kill-"));
const image = join(folder, "disk.img");
try {
  for (let round = 1; round <= rounds; round++) {
    // Every fourth round on a fresh disk; the others on what the last one left.
    if (round % 4 === 1) makeFileSystem(image);
    const moment = { files: 1 + Math.floor(Math.random() * 10), thenMs: Math.floor(Math.random() * 1000) };
    const { synced, lost, repairs } = await runKilledRound(image, moment, `kill-disk-${round}`);
    const held = lost.length === 0 && repairs === "" && synced > 0;
    if (!held) process.exitCode = 1;
    const found = `${synced} files synced, lost: ${lost.join() || "none"}, repairs: ${repairs || "none"}`;
    console.log(
      `${held ? "ok  " : "FAIL"} round ${round}: killed ${moment.thenMs} ms after ${moment.files} files; ${found}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}

import { hostFailure, nodeModule } from "../host-calls.ts";
import { SECTOR_LENGTH } from "./block-range.ts";
import { type FileBlock, openFileBlock } from "./file-block.ts";

/** Where temporary files may be large: /tmp is memory on many hosts. */
const LARGE_TEMPORARY = "/var/tmp";

/**
 * A disk of zeroes in a temporary file, which takes space where it is written and is gone with the process, however that
 * ends. In `folder`; default: that of the environment's TMPDIR, or /var/tmp.
 * @throws BackendError (as a rejection) `BACKEND_OPEN`
 */
export async function openTemporaryBlock(sectorCount: number, folder: string = temporaryFolder()): Promise<FileBlock> {
  const fs = nodeModule<typeof import("node:fs/promises")>("node:fs/promises");
  const { randomUUID } = nodeModule<typeof import("node:crypto")>("node:crypto");
  const path = `${folder}/tsvm-${randomUUID()}`;
  try {
    const file = await fs.open(path, "wx", 0o600);
    await file.truncate(sectorCount * SECTOR_LENGTH).finally(() => file.close());
  } catch (cause) {
    throw hostFailure("BACKEND_OPEN", `cannot make temporary file '${path}'`, cause);
  }
  const disk = await openFileBlock({ path, unsafeFlush: true });
  // Its name goes at once, so that no end of the process leaves the file behind.
  await fs.unlink(path);
  return disk;
}

function temporaryFolder(): string {
  const { existsSync } = nodeModule<typeof import("node:fs")>("node:fs");
  const { tmpdir } = nodeModule<typeof import("node:os")>("node:os");
  const isChosen = nodeModule<typeof import("node:process")>("node:process").env["TMPDIR"] !== undefined;
  return !isChosen && existsSync(LARGE_TEMPORARY) ? LARGE_TEMPORARY : tmpdir();
}

import {
  createOverlayBlock,
  createReportingBlock,
  type FileBlock,
  type FileBlockOptions,
  openFileBlock,
  openTemporaryBlock,
} from "@tsvm/backends";
import { BackendError } from "@tsvm/contracts";
import { type DiskOptions, suggest } from "@tsvm/vm";
import type { CliConfig } from "./command-line/cli-config.ts";
import { usageError } from "./command-line/usage-error.ts";
import { refuseOtherFormats } from "./disk-format.ts";

/** The machine's disks, opened. */
export interface Drives {
  readonly disks: readonly DiskOptions[];
  /** Those for devices to name, by their ids. */
  readonly named: Readonly<Record<string, DiskOptions>>;
  /** Brings what was written to stable storage, and lets go of the images. */
  close(): Promise<void>;
}

/**
 * Opens the images of `config.drives`. The image of a snapshot is only read. `complain` gets a line when the host refuses
 * what a guest asks of its disk.
 * @throws BackendError (as a rejection) of one line if an image cannot be used; then nothing stays open. ConfigError if a
 * device names a drive that there is not.
 */
export async function openDrives(config: CliConfig, complain: (line: string) => void): Promise<Drives> {
  checkNames(config);
  const { drives, snapshot: allSnapshots } = config;
  const opened: FileBlock[] = [];
  const disks: DiskOptions[] = [];
  const named: Record<string, DiskOptions> = {};
  const close = async (): Promise<void> => {
    for (const image of opened) await image.close();
  };
  try {
    for (const { id, path, isRaw, readOnly, snapshot, unsafeFlush, direct, serial } of drives) {
      const isSnapshot = (snapshot || allSnapshots) && !readOnly;
      const image = await openImage({ path, readOnly: readOnly || isSnapshot, unsafeFlush, direct });
      opened.push(image);
      if (!isRaw) await refuseOtherFormats(path, image);
      const backend = isSnapshot ? createOverlayBlock(image, await openStore(image, opened)) : image;
      const reporting = createReportingBlock({ backend, report: complain });
      const disk = { backend: reporting, ...(serial !== undefined && { serial }) };
      if (id === undefined) disks.push(disk);
      else named[id] = disk;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { disks, named, close };
}

/** Reasons of a host that has the image, but not for writing. */
const NOT_WRITABLE = ["EACCES", "EPERM", "EROFS", "ETXTBSY"];

async function openImage(options: FileBlockOptions): Promise<FileBlock> {
  try {
    return await openFileBlock(options);
  } catch (error) {
    const { code, cause, message } = error as BackendError;
    if (code === "BACKEND_DIRECT") throw new BackendError(code, `${message}; write cache=writeback`, { cause });
    const why = (cause as { readonly code?: unknown } | undefined)?.code;
    if (options.readOnly || !NOT_WRITABLE.includes(String(why))) throw error;
    throw new BackendError(code, `${message}; write readonly=on or snapshot=on to leave it as it is`, { cause });
  }
}

/** What a guest writes may be as large as its disk: that is no load for the host's memory. */
async function openStore({ sectorCount }: FileBlock, opened: FileBlock[]): Promise<FileBlock> {
  const store = await openTemporaryBlock(sectorCount);
  opened.push(store);
  return store;
}

function checkNames({ devices, drives }: CliConfig): void {
  const ids = drives.flatMap(({ id }) => (id === undefined ? [] : [id]));
  for (const { driver, properties } of devices) {
    const drive = properties["drive"];
    if (drive === undefined || ids.includes(drive)) continue;
    const where = `-device ${driver},drive=${drive}`;
    throw usageError(where, `there is no -drive of if=none and id '${drive}'${suggest(drive, ids)}`);
  }
}

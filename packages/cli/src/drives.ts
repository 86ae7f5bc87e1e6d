import { createOverlayBlock, createReportingBlock, type FileBlock, openFileBlock } from "@tsvm/backends";
import type { DiskOptions } from "@tsvm/vm";
import type { CliConfig } from "./command-line/cli-config.ts";

/** The machine's disks, opened. */
export interface Drives {
  readonly disks: readonly DiskOptions[];
  /** Brings what was written to stable storage, and lets go of the images. */
  close(): Promise<void>;
}

/**
 * Opens the images of `config.drives`. The image of a snapshot is only read. `complain` gets a line when the host refuses
 * what a guest asks of its disk.
 * @throws BackendError (as a rejection) of one line if an image cannot be used; then nothing stays open.
 */
export async function openDrives(
  { drives, snapshot: allSnapshots }: CliConfig,
  complain: (line: string) => void,
): Promise<Drives> {
  const opened: FileBlock[] = [];
  const disks: DiskOptions[] = [];
  const close = async (): Promise<void> => {
    for (const image of opened) await image.close();
  };
  try {
    for (const { path, readOnly, snapshot, unsafeFlush, serial } of drives) {
      const isSnapshot = (snapshot || allSnapshots) && !readOnly;
      const image = await openFileBlock({ path, readOnly: readOnly || isSnapshot, unsafeFlush });
      opened.push(image);
      const backend = createReportingBlock({
        backend: isSnapshot ? createOverlayBlock(image) : image,
        report: complain,
      });
      disks.push({ backend, ...(serial !== undefined && { serial }) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { disks, close };
}

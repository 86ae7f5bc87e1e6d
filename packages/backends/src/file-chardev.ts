import type { BackendError } from "@tsvm/contracts";
import type { BufferedChardev } from "./buffered-chardev.ts";
import { hostFailure, nodeModule } from "./host-calls.ts";
import { createOutputBuffer } from "./output-buffer.ts";

const NOTHING = new Uint8Array(0);

/** What is used of `node:fs`. */
interface FileCalls {
  openSync(path: string, flags: string): number;
  writeSync(fd: number, bytes: Uint8Array, offset: number): number;
  closeSync(fd: number): void;
}

/** Where a file chardev writes. */
export interface FileChardevOptions {
  readonly path: string;
  /** Keep what the file holds and write behind it; default: start empty. */
  readonly append?: boolean;
  /** The file cannot be written any more, for example ENOSPC: later output is discarded. Called once. */
  readonly onOutputLost?: (error: BackendError) => void;
}

/**
 * Records output in a file; never has input. Writing is synchronous, so that nothing is missing after a crash.
 * @throws BackendError `BACKEND_OPEN` if the file cannot be created.
 */
export function createFileChardev(options: FileChardevOptions): BufferedChardev {
  const fs = nodeModule<FileCalls>("node:fs");
  let fd: number | undefined = open(fs, options);
  const close = (): void => {
    if (fd !== undefined) fs.closeSync(fd);
    fd = undefined;
  };
  const gathered = createOutputBuffer((chunk) => {
    if (fd === undefined) return;
    try {
      for (let at = 0; at < chunk.length; ) at += fs.writeSync(fd, chunk, at);
    } catch (cause) {
      close();
      options.onOutputLost?.(hostFailure("BACKEND_WRITE", `cannot write '${options.path}'`, cause));
    }
  });
  return {
    write: (bytes: Uint8Array) => gathered.write(bytes),
    read: () => NOTHING,
    onInput: () => ({ dispose(): void {} }),
    backlog: 0,
    async flush(): Promise<void> {
      gathered.flush();
    },
    dispose(): void {
      gathered.flush();
      close();
    },
  };
}

function open(fs: FileCalls, options: FileChardevOptions): number {
  try {
    return fs.openSync(options.path, options.append === true ? "a" : "w");
  } catch (cause) {
    throw hostFailure("BACKEND_OPEN", `cannot open '${options.path}' for writing`, cause);
  }
}

import { BackendError } from "@tsvm/contracts";
import type { BufferedChardev } from "./buffered-chardev.ts";
import { hostFailure, nodeModule } from "./host-calls.ts";
import { createStreamChardev } from "./stream-chardev.ts";

/** Named pipes as a character device. */
export interface PipeChardevOptions {
  /**
   * `PATH.in` brings input and `PATH.out` takes output, where both are there (`mkfifo PATH.in PATH.out`); otherwise PATH
   * itself does both.
   */
  readonly path: string;
}

/**
 * Opens named pipes that somebody has made. Readers and writers at the other end may come and go; while nobody reads, a
 * pipe takes what fits into it, and then the guest is held.
 * @throws BackendError `BACKEND_OPEN` if one is missing, not allowed, or not a named pipe.
 */
export function createPipeChardev({ path }: PipeChardevOptions): BufferedChardev {
  const { existsSync } = nodeModule<typeof import("node:fs")>("node:fs");
  const { Socket } = nodeModule<typeof import("node:net")>("node:net");
  const isPair = existsSync(`${path}.in`) && existsSync(`${path}.out`);
  const inputFd = openPipe(isPair ? `${path}.in` : path);
  const input = new Socket({ fd: inputFd, readable: true, writable: !isPair });
  const output = isPair ? new Socket({ fd: openPipe(`${path}.out`), readable: false, writable: true }) : input;
  const stream = createStreamChardev({ input, output });
  return {
    write: stream.write,
    read: stream.read,
    onInput: stream.onInput,
    get backlog(): number {
      return stream.backlog;
    },
    flush: stream.flush,
    dispose(): void {
      stream.dispose();
      input.destroy();
      output.destroy();
    },
  };
}

/** For both directions: so the pipe has no end when the other side closes it, and opening it does not wait for anybody. */
function openPipe(path: string): number {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  const { O_RDWR, O_NONBLOCK } = fs.constants;
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, O_RDWR | O_NONBLOCK);
    if (fs.fstatSync(fd).isFIFO()) return fd;
  } catch (cause) {
    throw hostFailure("BACKEND_OPEN", `cannot open pipe '${path}'`, cause);
  }
  fs.closeSync(fd);
  throw new BackendError("BACKEND_OPEN", `cannot open pipe '${path}': not a named pipe; make one with mkfifo`);
}

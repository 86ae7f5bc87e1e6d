import { BackendError } from "@tsvm/contracts";
import type { BufferedChardev } from "./buffered-chardev.ts";
import { hostFailure, nodeModule } from "./host-calls.ts";
import { findHostFunctions } from "./host-library.ts";
import { createInputQueue } from "./input-queue.ts";
import { createOutputBuffer } from "./output-buffer.ts";

export interface PtyChardevOptions {
  /** A symbolic link to the terminal, made anew and removed by `dispose`. */
  readonly link?: string;
}

/** A pseudo terminal; whoever opens `path` sits at the guest's line. */
export interface PtyChardev extends BufferedChardev {
  /** For example `/dev/pts/3`. */
  readonly path: string;
}

/** Output kept for somebody who opens the terminal later; more is discarded, because nobody may ever come. */
const OUTPUT_LIMIT = 64 * 1024;
/** Between attempts to write into a full terminal: nothing tells when there is room. */
const RETRY_MS = 20;
/** Longer than any name below /dev/pts, and than `struct termios`. */
const BUFFER_LENGTH = 256;
const TCSANOW = 0;

/** POSIX, "grantpt" and "tcsetattr"; the C library's `int` functions only, for which no types have to be agreed on. */
const SIGNATURES = {
  grantpt: ["i32"],
  unlockpt: ["i32"],
  ptsname_r: ["i32", "pointer", "u64"],
  tcgetattr: ["i32", "pointer"],
  tcsetattr: ["i32", "i32", "pointer"],
  cfmakeraw: ["pointer"],
} as const;

/**
 * Makes a pseudo terminal in raw mode. Node alone cannot: it takes `node:ffi`, which Node 26 has on Linux.
 * @throws BackendError `BACKEND_UNAVAILABLE` where there is none, `BACKEND_OPEN` if the host refuses.
 */
export function createPtyChardev({ link }: PtyChardevOptions = {}): PtyChardev {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  const { ReadStream } = nodeModule<typeof import("node:tty")>("node:tty");
  const { controller, path } = openPair();
  // Held open, or the terminal would hang up whenever its last user leaves.
  const terminal = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  if (link !== undefined) placeLink(link, path);
  const input = new ReadStream(controller);
  const queue = createInputQueue({ onFull: () => void input.pause(), onRoom: () => void input.resume() });
  // No encoding is set: chunks are bytes.
  input.on("data", (chunk) => queue.push(chunk as Uint8Array));
  const output = createTerminalOutput((bytes) => fs.writeSync(controller, bytes));
  const gathered = createOutputBuffer(output.write);
  return {
    path,
    write: gathered.write,
    read: queue.read,
    onInput: queue.onInput,
    // Never holds a guest.
    backlog: 0,
    async flush(): Promise<void> {
      gathered.flush();
    },
    dispose(): void {
      gathered.flush();
      output.dispose();
      input.destroy();
      fs.closeSync(terminal);
      if (link !== undefined) removeLink(link);
    },
  };
}

/**
 * Writes what the terminal takes and keeps up to {@link OUTPUT_LIMIT} bytes of the rest. Not a stream: one for the
 * controlling end of a terminal blocks the whole process while nobody reads.
 */
function createTerminalOutput(writeSome: (bytes: Uint8Array) => number): {
  write(bytes: Uint8Array): void;
  dispose(): void;
} {
  let kept: Uint8Array[] = [];
  let length = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const drain = (): void => {
    timer = undefined;
    for (let bytes = kept[0]; bytes !== undefined; bytes = kept[0]) {
      const count = attempt(() => writeSome(bytes));
      length -= count;
      if (count < bytes.length) {
        kept[0] = bytes.subarray(count);
        timer = setTimeout(drain, RETRY_MS).unref();
        return;
      }
      kept.shift();
    }
  };
  return {
    write(bytes: Uint8Array): void {
      if (length >= OUTPUT_LIMIT) return;
      kept.push(bytes);
      length += bytes.length;
      if (timer === undefined) drain();
    },
    dispose(): void {
      clearTimeout(timer);
      kept = [];
    },
  };
}

/** Bytes written; none if the terminal is full. */
function attempt(write: () => number): number {
  try {
    return write();
  } catch {
    return 0;
  }
}

function openPair(): { readonly controller: number; readonly path: string } {
  const calls = findHostFunctions(SIGNATURES);
  if (calls === undefined) {
    throw new BackendError("BACKEND_UNAVAILABLE", "pty: needs Linux and Node 26 or newer; use a socket instead");
  }
  const controller = openController();
  const name = new Uint8Array(BUFFER_LENGTH);
  calls.grantpt(controller);
  calls.unlockpt(controller);
  calls.ptsname_r(controller, name, BigInt(name.length));
  const termios = new Uint8Array(BUFFER_LENGTH);
  calls.tcgetattr(controller, termios);
  calls.cfmakeraw(termios);
  calls.tcsetattr(controller, TCSANOW, termios);
  return { controller, path: new TextDecoder().decode(name.subarray(0, name.indexOf(0))) };
}

function openController(): number {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;
  try {
    return fs.openSync("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  } catch (cause) {
    throw hostFailure("BACKEND_OPEN", "cannot open a pseudo terminal", cause);
  }
}

/** Replaces a link of an earlier run, and nothing that is not a link. */
function placeLink(link: string, path: string): void {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  removeLink(link);
  try {
    fs.symlinkSync(path, link);
  } catch (cause) {
    throw hostFailure("BACKEND_OPEN", `cannot make link '${link}'`, cause);
  }
}

function removeLink(link: string): void {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  if (fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) fs.unlinkSync(link);
}

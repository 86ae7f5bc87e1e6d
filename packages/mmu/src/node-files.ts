import type { TraceFiles } from "./commands/command.ts";

// As much of Node's types as is used here: the package is compiled without them, so that nothing else can lean on them.
interface ByteStream extends AsyncIterable<Uint8Array> {
  readonly bytesRead?: number;
  pipe<T>(target: T): T;
  on(event: "error", listener: (error: Error) => void): unknown;
  destroy(error?: Error): unknown;
}
interface Unpacker {
  readonly stdin: unknown;
  readonly stdout: ByteStream;
  on(event: "error", listener: (error: { readonly code?: string }) => void): unknown;
  on(event: "close", listener: (code: number) => void): unknown;
}
interface FileHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  stat(): Promise<{ readonly size: number; isFile(): boolean }>;
  close(): Promise<void>;
}
declare const process: {
  readonly stdin: ByteStream;
  getBuiltinModule(name: "node:fs"): { createReadStream(path: string, options: object): ByteStream };
  getBuiltinModule(name: "node:fs/promises"): { open(path: string): Promise<FileHandle> };
  getBuiltinModule(name: "node:zlib"): { createGunzip(): ByteStream };
  getBuiltinModule(name: "node:child_process"): {
    spawn(command: string, args: readonly string[], options: object): Unpacker;
  };
};

const CHUNK_BYTES = 2 ** 18;
const GZIP = [0x1f, 0x8b];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/** Traces in files of this machine. Those packed by xz need the program `xz`. */
export const nodeFiles: TraceFiles = {
  open: async (path) => {
    if (path === "-") return { chunks: process.stdin, bytesRead: () => 0 };
    const { bytes, head } = await look(path);
    const packed = process.getBuiltinModule("node:fs").createReadStream(path, { highWaterMark: CHUNK_BYTES });
    const source = { bytes, bytesRead: () => packed.bytesRead ?? 0 };
    if (startsWith(head, GZIP)) return { ...source, chunks: readThrough(path, packed, gunzip(packed)) };
    if (!startsWith(head, XZ)) return { ...source, chunks: readThrough(path, packed, packed) };
    return { ...source, chunks: unxz(path, packed) };
  },
};

/** Size and first bytes of a file. */
async function look(path: string): Promise<{ readonly bytes: number; readonly head: Uint8Array }> {
  let file: FileHandle | undefined;
  try {
    file = await process.getBuiltinModule("node:fs/promises").open(path);
    const head = new Uint8Array(8);
    const { size } = await file.stat();
    await file.read(head, 0, head.length, 0);
    return { bytes: size, head };
  } catch (error) {
    throw fileError(`cannot read ${path}: ${reasonOf(error)}`);
  } finally {
    await file?.close();
  }
}

function gunzip(packed: ByteStream): ByteStream {
  const unpacked = packed.pipe(process.getBuiltinModule("node:zlib").createGunzip());
  packed.on("error", (error) => unpacked.destroy(error));
  return unpacked;
}

/** Chunks of `unpacked`; whatever goes wrong names the file. */
async function* readThrough(path: string, packed: ByteStream, unpacked: ByteStream): AsyncGenerator<Uint8Array> {
  try {
    yield* unpacked;
  } catch (error) {
    throw fileError(`cannot unpack ${path} beyond byte ${packed.bytesRead ?? 0} of the file: ${reasonOf(error)}`);
  } finally {
    packed.destroy();
  }
}

async function* unxz(path: string, packed: ByteStream): AsyncGenerator<Uint8Array> {
  const options = { stdio: ["pipe", "pipe", "ignore"] };
  const unpacker = process.getBuiltinModule("node:child_process").spawn("xz", ["-dc"], options);
  const end = new Promise<string>((resolve) => {
    unpacker.on("error", ({ code }) => {
      resolve(code === "ENOENT" ? "it is packed by xz, and the program xz is not installed" : `${code}`);
    });
    unpacker.on("close", (code) => resolve(code === 0 ? "" : "xz says it is damaged or cut short"));
  });
  // Broken pipes are told by the program's end.
  (unpacker.stdin as ByteStream).on("error", () => {});
  packed.pipe(unpacker.stdin);
  try {
    yield* unpacker.stdout;
    const reason = await end;
    if (reason !== "") throw fileError(`cannot unpack ${path}: ${reason}`);
  } finally {
    packed.destroy();
    unpacker.stdout.destroy();
  }
}

function startsWith(head: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => head[i] === byte);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  return `${message}`;
}

function fileError(message: string): Error {
  return Object.assign(new Error(message), { code: "TRACE_FILE" });
}

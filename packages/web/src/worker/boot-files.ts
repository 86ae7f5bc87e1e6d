import { ConfigError } from "@tsvm/contracts";
import type { MachineSpec, WireSource } from "../machine-calls.ts";
import type { LoadingProgress } from "../machine-options.ts";

/**
 * The bytes of a kernel or initrd.
 * @throws ConfigError `CONFIG_FILE`, one line with what, where and why.
 */
export async function readBootFile(
  what: LoadingProgress["what"],
  source: WireSource,
  onProgress: (progress: LoadingProgress) => void,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const failure = (why: string, cause?: unknown): ConfigError =>
    new ConfigError("CONFIG_FILE", `cannot load ${what} '${nameOf(source)}': ${why}`, { cause });
  if (source instanceof Blob) {
    const bytes = await source.arrayBuffer().catch((cause) => {
      throw failure("it has changed, or is gone", cause);
    });
    return new Uint8Array(bytes);
  }
  const response = await fetch(source).catch((cause) => {
    throw failure("no answer (is the address right, and may other sites read it?)", cause);
  });
  if (!response.ok) throw failure(`the server answered ${response.status}`);
  return await readBody(response, (bytes, totalBytes) => onProgress({ what, bytes, totalBytes })).catch((cause) => {
    throw failure("the connection broke", cause);
  });
}

/** What is wrong inside a file is found later, by who knows its format; the person has to hear which file it is. */
export function namingBootFile(error: unknown, { kernel, initrd }: Pick<MachineSpec, "kernel" | "initrd">): unknown {
  if (!(error instanceof ConfigError)) return error;
  const source = error.code.startsWith("CONFIG_KERNEL") ? kernel : error.code === "CONFIG_INITRD" ? initrd : undefined;
  if (source === undefined) return error;
  return new ConfigError(error.code, `'${nameOf(source)}': ${error.message}`, { cause: error });
}

function nameOf(source: WireSource): string {
  if (typeof source === "string") return source;
  return source instanceof File ? source.name : "the bytes given";
}

/** Milliseconds between two reports: each is a message, and a change of the page. */
const REPORT_MS = 100;

async function readBody(
  response: Response,
  onProgress: (bytes: number, totalBytes: number | undefined) => void,
): Promise<Uint8Array> {
  // Of an answer that was compressed on the way the length tells nothing.
  const isPlain = response.headers.get("Content-Encoding") === null;
  const length = response.headers.get("Content-Length");
  const totalBytes = isPlain && length !== null ? Number(length) : undefined;
  const chunks: Uint8Array[] = [];
  let received = 0;
  let reportedMs = performance.now();
  onProgress(0, totalBytes);
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    received += chunk.length;
    if (performance.now() - reportedMs < REPORT_MS) continue;
    reportedMs = performance.now();
    onProgress(received, totalBytes);
  }
  return joined(chunks, received);
}

/** Not by way of a Blob: its bytes would travel to the browser's process and back. */
function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

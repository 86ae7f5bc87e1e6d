import { ConfigError } from "@tsvm/contracts";
import type { WireSource } from "../machine-calls.ts";
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
  const failure = (name: string, why: string, cause?: unknown): ConfigError =>
    new ConfigError("CONFIG_FILE", `cannot load ${what} '${name}': ${why}`, { cause });
  if (source instanceof Blob) {
    const name = source instanceof File ? source.name : "blob";
    const bytes = await source.arrayBuffer().catch((cause) => {
      throw failure(name, "it has changed, or is gone", cause);
    });
    return new Uint8Array(bytes);
  }
  const response = await fetch(source).catch((cause) => {
    throw failure(source, "no answer (is the address right, and may other sites read it?)", cause);
  });
  if (!response.ok) throw failure(source, `the server answered ${response.status}`);
  return await readBody(response, (bytes, totalBytes) => onProgress({ what, bytes, totalBytes })).catch((cause) => {
    throw failure(source, "the connection broke", cause);
  });
}

async function readBody(
  response: Response,
  onProgress: (bytes: number, totalBytes: number | undefined) => void,
): Promise<Uint8Array> {
  // Of an answer that was compressed on the way the length tells nothing.
  const isPlain = response.headers.get("Content-Encoding") === null;
  const length = response.headers.get("Content-Length");
  const totalBytes = isPlain && length !== null ? Number(length) : undefined;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  onProgress(0, totalBytes);
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    received += chunk.length;
    onProgress(received, totalBytes);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

// Takes files out of a Debian package without installing it. Source: deb(5).
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { GuestBuildError } from "./guest-build-error.ts";
import { forEachTarFile } from "./tar.ts";

const run = promisify(execFile);
/** A kernel package unpacks to some 150 MB. */
const MAX_ARCHIVE_BYTES = 2 ** 30;

/** The regular files of the package whose path satisfies `wanted`, by path. @throws GuestBuildError */
export async function readDebFiles(
  debPath: string,
  wanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  try {
    forEachTarFile(await dataArchive(debPath), (path, data) => {
      if (wanted(path)) files.set(path, data);
    });
  } catch (cause) {
    throw new GuestBuildError("GUEST_PACKAGE_INVALID", `cannot unpack ${debPath}: ${reason(cause)}`, { cause });
  }
  return files;
}

/** The uncompressed data.tar of a package. dpkg-deb knows every compression; without it there are ours. */
async function dataArchive(debPath: string): Promise<Uint8Array> {
  try {
    const options = { encoding: "buffer", maxBuffer: MAX_ARCHIVE_BYTES } as const;
    return (await run("dpkg-deb", ["--fsys-tarfile", debPath], options)).stdout;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
  const { name, data } = findDataMember(await readFile(debPath));
  if (name === "data.tar") return data;
  if (name === "data.tar.gz") return gunzipSync(data);
  if (name === "data.tar.xz") return unxz(data);
  throw new Error(`${name} is compressed in a way only dpkg-deb knows; install dpkg`);
}

/** Finds data.tar* in the package's outer `ar` archive. Exported for its test. */
export function findDataMember(deb: Uint8Array): { readonly name: string; readonly data: Uint8Array } {
  const bytes = Buffer.from(deb.buffer, deb.byteOffset, deb.length);
  if (bytes.toString("latin1", 0, 8) !== "!<arch>\n") throw new Error("not a Debian package");
  for (let at = 8; at + 60 <= bytes.length; ) {
    const name = bytes
      .toString("latin1", at, at + 16)
      .trim()
      .replace(/\/$/, "");
    const size = Number.parseInt(bytes.toString("latin1", at + 48, at + 58), 10);
    if (!(size >= 0)) break;
    if (name.startsWith("data.tar")) return { name, data: bytes.subarray(at + 60, at + 60 + size) };
    at += 60 + size + (size & 1);
  }
  throw new Error("the package has no data.tar");
}

function unxz(data: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const options = { encoding: "buffer", maxBuffer: MAX_ARCHIVE_BYTES } as const;
    const child = execFile("xz", ["--decompress", "--stdout"], options, (error, stdout) => {
      if (!error) resolve(stdout);
      else if (error.code === "ENOENT") reject(new Error("needs dpkg-deb or xz; install dpkg or xz-utils"));
      else reject(error);
    });
    // A child that dies early reports through the callback; the pipe error would only repeat it.
    child.stdin?.on("error", () => {});
    child.stdin?.end(data);
  });
}

const reason = (cause: unknown): string => (cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : `${cause}`);

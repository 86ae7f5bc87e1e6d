// The "newc" archive that Linux unpacks as its first root file system.
// Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.

const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFCHR = 0o020000;

/** One thing in the archive. `path` has no leading slash; its directories must come before it. */
export type CpioEntry =
  | { readonly path: string; readonly type: "directory" }
  | { readonly path: string; readonly type: "file"; readonly data: Uint8Array; readonly executable?: boolean }
  | { readonly path: string; readonly type: "link"; readonly target: string }
  | { readonly path: string; readonly type: "character-device"; readonly major: number; readonly minor: number };

/**
 * An archive of the entries in the given order, owned by root, with time stamps of 0: the same entries always give the
 * same bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  entries.forEach((entry, index) => {
    const links = entry.type === "directory" ? 2 : 1;
    pushMember(parts, {
      ino: index + 1,
      mode: modeOf(entry),
      links,
      path: entry.path,
      data: dataOf(entry),
      rdev: entry,
    });
  });
  pushMember(parts, { ino: 0, mode: 0, links: 1, path: "TRAILER!!!", data: new Uint8Array(), rdev: undefined });
  return Buffer.concat(parts);
}

interface Member {
  readonly ino: number;
  readonly mode: number;
  readonly links: number;
  readonly path: string;
  readonly data: Uint8Array;
  readonly rdev: CpioEntry | undefined;
}

function pushMember(parts: Uint8Array[], member: Member): void {
  const name = Buffer.from(`${member.path}\0`);
  const device = member.rdev?.type === "character-device" ? member.rdev : { major: 0, minor: 0 };
  const fields = [
    member.ino,
    member.mode,
    0, // uid
    0, // gid
    member.links,
    0, // mtime
    member.data.length,
    0, // device major and minor of the file system: no meaning here
    0,
    device.major,
    device.minor,
    name.length,
    0, // checksum: only in the "crc" variant
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  parts.push(Buffer.from(header, "latin1"), name, padding(header.length + name.length));
  parts.push(member.data, padding(member.data.length));
}

/** Names and data each end on a multiple of four bytes. */
const padding = (length: number): Uint8Array => new Uint8Array(-length & 3);

function modeOf(entry: CpioEntry): number {
  switch (entry.type) {
    case "directory":
      return S_IFDIR | 0o755;
    case "file":
      return S_IFREG | (entry.executable ? 0o755 : 0o644);
    case "link":
      return S_IFLNK | 0o777;
    case "character-device":
      return S_IFCHR | 0o600;
  }
}

function dataOf(entry: CpioEntry): Uint8Array {
  if (entry.type === "file") return entry.data;
  return entry.type === "link" ? Buffer.from(entry.target) : new Uint8Array();
}

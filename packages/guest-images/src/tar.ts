// Reads the tar archive inside a Debian package: POSIX ustar headers plus GNU long names.
// Sources: POSIX.1-2017 "pax", section "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

const BLOCK = 512;
const NAME = 0;
const SIZE = 124;
const TYPE = 156;
const PREFIX = 345;

/** Calls `visit` with each regular file: its path without a leading "./", and a view of its bytes. */
export function forEachTarFile(archive: Uint8Array, visit: (path: string, data: Uint8Array) => void): void {
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(archive, at + SIZE, 12), 8) || 0;
    const data = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) throw new RangeError(`tar archive ends inside a file of ${size} bytes`);
    const type = String.fromCharCode(archive[at + TYPE] ?? 0);
    if (type === "L") {
      longName = text(data, 0, size);
    } else {
      if (type === "0" || type === "\0") visit((longName ?? headerPath(archive, at)).replace(/^\.\//, ""), data);
      longName = undefined;
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function headerPath(archive: Uint8Array, at: number): string {
  const prefix = text(archive, at + PREFIX, 155);
  const name = text(archive, at + NAME, 100);
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** A field up to its first NUL. */
function text(bytes: Uint8Array, at: number, length: number): string {
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + at, length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

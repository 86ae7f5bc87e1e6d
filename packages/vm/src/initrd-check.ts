import { ConfigError } from "@tsvm/contracts";

/** What is used of the standard `DecompressionStream`; typed here because not every host's types have it. */
interface Inflater {
  readonly writable: { getWriter(): { write(chunk: Uint8Array): Promise<void>; close(): Promise<void> } };
  readonly readable: { getReader(): { read(): Promise<{ readonly done: boolean }> } };
}

/** The "newc" header of cpio: 6 bytes of magic and 13 fields of 8 hexadecimal digits. Documentation/driver-api/early-userspace/buffer-format.rst. */
const HEADER_BYTES = 110;
const FILE_SIZE_AT = 54;
const NAME_SIZE_AT = 94;

/**
 * Finds out before the boot what the kernel would say in the middle of it: an empty initrd, or one that was cut short.
 * Plain cpio archives are walked and gzip is unpacked; what is compressed in another way is left to the kernel.
 * @throws ConfigError `CONFIG_INITRD`
 */
export async function checkInitrd(initrd: Uint8Array): Promise<void> {
  if (initrd.length === 0) throw new ConfigError("CONFIG_INITRD", "initrd is empty");
  const rest = initrd.subarray(endOfPlainArchives(initrd));
  if (rest[0] === 0x1f && rest[1] === 0x8b) await checkGzip(rest);
}

/** Offset behind the plain cpio archives at the start (early microcode comes as one) and the zeros after them. */
function endOfPlainArchives(initrd: Uint8Array): number {
  let at = 0;
  while (isCpioHeader(initrd, at)) {
    const nameBytes = hexField(initrd, at + NAME_SIZE_AT);
    const dataAt = align4(at + HEADER_BYTES + nameBytes);
    const end = dataAt + hexField(initrd, at + FILE_SIZE_AT);
    if (end > initrd.length) throw truncated();
    const name = ascii(initrd, at + HEADER_BYTES, nameBytes - 1);
    at = align4(end);
    if (name === "TRAILER!!!") while (initrd[at] === 0) at++;
    else if (at >= initrd.length) throw truncated();
  }
  return at;
}

function isCpioHeader(bytes: Uint8Array, at: number): boolean {
  const magic = ascii(bytes, at, 6);
  if (magic !== "070701" && magic !== "070702") return false;
  if (at + HEADER_BYTES > bytes.length) throw truncated();
  return true;
}

function hexField(bytes: Uint8Array, at: number): number {
  const value = Number.parseInt(ascii(bytes, at, 8), 16);
  if (Number.isNaN(value)) throw new ConfigError("CONFIG_INITRD", "initrd is damaged: malformed cpio header");
  return value;
}

function ascii(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + Math.min(length, 4096)));
}

const align4 = (offset: number): number => (offset + 3) & ~3;

const truncated = (): ConfigError =>
  new ConfigError("CONFIG_INITRD", "initrd is truncated: its cpio archive ends in the middle");

/** Unpacks to nowhere. Bytes behind the first member are not looked at: the kernel takes further archives there. */
async function checkGzip(bytes: Uint8Array): Promise<void> {
  const { DecompressionStream } = globalThis as {
    DecompressionStream?: new (format: "gzip") => Inflater;
  };
  if (DecompressionStream === undefined) return;
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  // Both ends reject when the data are bad; the reader's word is enough.
  writer.write(bytes).catch(() => {});
  writer.close().catch(() => {});
  try {
    while (!(await reader.read()).done);
  } catch (cause) {
    // Node names zlib's complaint. Where there is no name, data behind the member cannot be told from damage.
    const code = (cause as { readonly code?: unknown }).code;
    if (code !== "Z_BUF_ERROR" && code !== "Z_DATA_ERROR") return;
    throw new ConfigError("CONFIG_INITRD", "initrd is truncated or damaged: its gzip data do not unpack", { cause });
  }
}

/** Fields of little-endian tables as byte lists; a table is the list of its fields, in the order of its specification. */
export type Bytes = readonly number[];

export const u8 = (value: number): Bytes => [value & 0xff];

export const u16 = (value: number): Bytes => [value & 0xff, (value >>> 8) & 0xff];

export const u32 = (value: number): Bytes => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 24) & 0xff,
];

/** `value` is a non-negative integer below 2^53. */
export const u64 = (value: number): Bytes => [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))];

/** Bytes and lists of them, one behind the other: a spread goes byte by byte, at each start of a machine. */
export const joined = (...parts: readonly (number | Bytes)[]): Bytes => ([] as number[]).concat(...parts);

/** `count` zero bytes. */
export const zeros = (count: number): Bytes => new Array<number>(count).fill(0);

/** ASCII text, cut or padded with `pad` to `length` if that is given. */
export function ascii(text: string, length: number = text.length, pad = 0): Bytes {
  return Array.from({ length }, (_, i) => (i < text.length ? text.charCodeAt(i) & 0x7f : pad));
}

/** What brings the sum of `bytes` and itself to 0 modulo 256. */
export function checksumOf(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i] as number;
  return -sum & 0xff;
}

/** `text` in UTF-8 with a terminating zero. */
export function cString(text: string): Uint8Array {
  // TextEncoder belongs to hosts, not to the language; encodeURIComponent is the language's own UTF-8 encoder.
  const escaped = encodeURIComponent(text.toWellFormed());
  const bytes = escaped.match(/%..|[^%]/g)?.map(toByte) ?? [];
  return Uint8Array.from([...bytes, 0]);
}

function toByte(part: string): number {
  return part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0);
}

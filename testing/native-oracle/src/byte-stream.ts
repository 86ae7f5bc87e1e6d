/** Little-endian base-128 numbers, 7 bits a byte, and raw bytes: all that vector files are made of. */
export interface ByteWriter {
  uint(value: number | bigint): void;
  /** Zigzag: small magnitudes stay short. */
  int(value: bigint): void;
  bytes(value: Uint8Array): void;
  /** Length in bytes, then UTF-8. */
  text(value: string): void;
  /** A copy of what was written. */
  finish(): Uint8Array;
}

export function createByteWriter(): ByteWriter {
  let buffer = new Uint8Array(1 << 16);
  let length = 0;
  const reserve = (more: number): void => {
    if (length + more <= buffer.length) return;
    const larger = new Uint8Array(Math.max(buffer.length * 2, length + more));
    larger.set(buffer);
    buffer = larger;
  };
  const uint = (value: number | bigint): void => {
    reserve(10);
    let rest = BigInt(value);
    while (rest >= 0x80n) {
      buffer[length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    buffer[length++] = Number(rest);
  };
  const bytes = (value: Uint8Array): void => {
    reserve(value.length);
    buffer.set(value, length);
    length += value.length;
  };
  return {
    uint,
    int: (value) => uint(value < 0n ? -value * 2n - 1n : value * 2n),
    bytes,
    text(value) {
      const encoded = new TextEncoder().encode(value);
      uint(encoded.length);
      bytes(encoded);
    },
    finish: () => buffer.slice(0, length),
  };
}

export interface ByteReader {
  /** A number that the file promises to fit 53 bits. */
  uint(): number;
  /** At most 64 bits. */
  bigUint(): bigint;
  int(): bigint;
  /** A view into the source. */
  bytes(length: number): Uint8Array;
  text(): string;
  readonly atEnd: boolean;
}

/** @throws RangeError from any method when the source ends early or a number is longer than 64 bits. */
export function createByteReader(source: Uint8Array): ByteReader {
  let at = 0;
  const byte = (): number => {
    const value = source[at++];
    if (value === undefined) throw new RangeError("vector file ends early");
    return value;
  };
  const bigUint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const next = byte();
      value |= BigInt(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    throw new RangeError("vector file has a number longer than 64 bits");
  };
  const uint = (): number => {
    // One and two bytes are nearly all there is; they need no bigint.
    const first = byte();
    if (first < 0x80) return first;
    const second = byte();
    if (second < 0x80) return (first & 0x7f) | (second << 7);
    at -= 2;
    return Number(bigUint());
  };
  const bytes = (length: number): Uint8Array => {
    if (at + length > source.length) throw new RangeError("vector file ends early");
    at += length;
    return source.subarray(at - length, at);
  };
  return {
    uint,
    bigUint,
    int() {
      const value = bigUint();
      return value & 1n ? -(value + 1n) / 2n : value / 2n;
    },
    bytes,
    text: () => new TextDecoder().decode(bytes(uint())),
    get atEnd() {
      return at === source.length;
    },
  };
}

import type { AccessSize } from "./addresses.ts";
import type { IoRegion } from "./memory.ts";

/**
 * A region of byte-wide registers, as the chips of the ISA bus have them. A wider access becomes one access a byte,
 * lowest offset first, the way the bus controller splits it; bytes past the end read as ones.
 */
export function byteRegion(
  name: string,
  length: number,
  read: (offset: number) => number,
  write: (offset: number, value: number) => void,
): IoRegion {
  return {
    name,
    length,
    read(offset: number, size: AccessSize): number {
      if (size === 1) return offset < length ? read(offset) : 0xff;
      let value = 0;
      for (let i = 0; i < size; i++) {
        const byte = offset + i < length ? read(offset + i) : 0xff;
        value |= byte << (8 * i);
      }
      return value >>> 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      for (let i = 0; i < size && offset + i < length; i++) {
        write(offset + i, (value >>> (8 * i)) & 0xff);
      }
    },
  };
}

/**
 * The part of a 32-bit register that an access of `size` bytes at `offset` sees: a narrower read takes its bytes, and
 * a misaligned one sees zeros past the register's end.
 */
export function partOfDword(register: number, offset: number, size: AccessSize): number {
  if (size === 4 && (offset & 3) === 0) return register >>> 0;
  const part = register >>> (8 * (offset & 3));
  return size === 1 ? part & 0xff : size === 2 ? part & 0xffff : part;
}

/** `register` with the bytes of an access replaced: what a narrower write leaves in a 32-bit register. */
export function mergeIntoDword(register: number, offset: number, size: AccessSize, value: number): number {
  if (size === 4 && (offset & 3) === 0) return value >>> 0;
  const shift = 8 * (offset & 3);
  const mask = (size === 1 ? 0xff : size === 2 ? 0xffff : 0xffff_ffff) << shift;
  return ((register & ~mask) | ((value << shift) & mask)) >>> 0;
}

/** Offsets and bits of a type 0 configuration header: PCI Local Bus Specification 3.0, "Configuration Space". */
export const VENDOR_ID = 0x00;
export const DEVICE_ID = 0x02;
export const COMMAND = 0x04;
export const STATUS = 0x06;
export const REVISION_ID = 0x08;
export const CLASS_CODE = 0x09;
export const HEADER_TYPE = 0x0e;
export const BAR0 = 0x10;
export const SUBSYSTEM_VENDOR_ID = 0x2c;
export const SUBSYSTEM_ID = 0x2e;
export const CAPABILITIES_POINTER = 0x34;
export const INTERRUPT_LINE = 0x3c;
export const INTERRUPT_PIN = 0x3d;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_MASTER = 0x0004;
export const COMMAND_INTX_DISABLE = 0x0400;
export const STATUS_INTERRUPT = 0x08;
export const STATUS_CAPABILITIES = 0x10;

export const CONFIG_LENGTH = 256;

/**
 * 256 bytes of configuration space, of which software can change only the bits of `writable`. Whoever defines a
 * function says what its bytes are and which of their bits are software's.
 */
export interface ConfigSpace {
  readonly bytes: Uint8Array;
  /** Sets `size` bytes at `offset`, little-endian; bits of `writable` become software's. */
  define(offset: number, size: 1 | 2 | 3 | 4, value: number, writable?: number): void;
  read32(offset: number): number;
  /** A write by software of one byte. */
  store(offset: number, byte: number): void;
  /** Takes software's bits from `bytes` and leaves the others. */
  load(bytes: Uint8Array): void;
  /** Everything as defined. */
  reset(): void;
}

export function createConfigSpace(): ConfigSpace {
  const bytes = new Uint8Array(CONFIG_LENGTH);
  const initial = new Uint8Array(CONFIG_LENGTH);
  const writable = new Uint8Array(CONFIG_LENGTH);
  const byteAt = (array: Uint8Array, offset: number): number => array[offset] as number;

  function store(offset: number, byte: number): void {
    const mask = byteAt(writable, offset);
    bytes[offset] = (byteAt(bytes, offset) & ~mask) | (byte & mask);
  }

  return {
    bytes,
    define(offset: number, size: number, value: number, mask = 0): void {
      for (let i = 0; i < size; i++) {
        bytes[offset + i] = initial[offset + i] = (value >>> (8 * i)) & 0xff;
        writable[offset + i] = (mask >>> (8 * i)) & 0xff;
      }
    },
    read32(offset: number): number {
      let value = 0;
      for (let i = 3; i >= 0; i--) value = value * 256 + byteAt(bytes, offset + i);
      return value;
    },
    store,
    load(from: Uint8Array): void {
      for (let offset = 0; offset < CONFIG_LENGTH; offset++) store(offset, byteAt(from, offset));
    },
    reset: () => bytes.set(initial),
  };
}

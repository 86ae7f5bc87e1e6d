import type { Gpa } from "@tsvm/contracts";

/** Bits of a descriptor's flags. Virtio 1.2, "The Virtqueue Descriptor Table" and "Packed Virtqueues". */
export const DESC_F_NEXT = 1;
export const DESC_F_WRITE = 2;
export const DESC_F_INDIRECT = 4;
/** Packed queues only: the driver's and the device's wrap counter at the time of writing. */
export const DESC_F_AVAIL = 0x80;
export const DESC_F_USED = 0x8000;

/** Bytes of one descriptor, of either format. */
export const DESC_LENGTH = 16;

/** No driver has reason for longer chains; a bound keeps a hostile one from making the host collect for ever. */
export const CHAIN_LIMIT = 1024;

/** Addresses above this are no RAM on any machine, and not exact in a double. */
const GPA_LIMIT = 2 ** 52;

/** One descriptor of either format, decoded in place: `a` and `b` are its two 16-bit fields at 12 and 14. */
export interface RawDescriptor {
  gpa: Gpa;
  length: number;
  a: number;
  b: number;
}

/** Decodes the 16 bytes at `offset` of `view` into `to`; false if the address cannot be one. */
export function decodeDescriptor(view: DataView, offset: number, to: RawDescriptor): boolean {
  const high = view.getUint32(offset + 4, true);
  to.gpa = high * 2 ** 32 + view.getUint32(offset, true);
  to.length = view.getUint32(offset + 8, true);
  to.a = view.getUint16(offset + 12, true);
  to.b = view.getUint16(offset + 14, true);
  return to.gpa + to.length <= GPA_LIMIT;
}

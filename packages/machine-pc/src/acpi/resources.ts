import { type Bytes, u8, u16, u32 } from "../bytes/fields.ts";
import { type Aml, buffer } from "./aml.ts";

/** Resource descriptors for _CRS. ACPI Specification, "Resource Data Types for ACPI". */

/** Flags of an extended interrupt. */
const CONSUMER = 1;
const SHARED = 8;

/** A whole template: the descriptors and the end tag (checksum 0: not checked). */
export const resourceTemplate = (...descriptors: readonly Bytes[]): Aml => buffer([...descriptors.flat(), 0x79, 0]);

/** Fixed ports, 16-bit decoded. */
export const io = (base: number, length: number): Bytes => [0x47, 1, ...u16(base), ...u16(base), 1, length];

/** One ISA interrupt: edge-triggered, active high, not shared. */
export const irq = (number: number): Bytes => [0x22, ...u16(1 << number)];

/** One interrupt by its GSI: level-triggered, active high, shared. "Extended Interrupt Descriptor". */
export const sharedInterrupt = (gsi: number): Bytes => [0x89, ...u16(6), CONSUMER | SHARED, 1, ...u32(gsi)];

/** Fixed memory, read and write, below 4 GiB. */
export const memory32Fixed = (base: number, length: number): Bytes => [
  0x86,
  ...u16(9),
  1,
  ...u32(base),
  ...u32(length),
];

/** What an address space descriptor describes, first type-specific flags. */
const MEMORY = 0;
const IO = 1;
const BUS_NUMBER = 2;
/** General flags: minimum and maximum are fixed, the bridge decodes positively and produces the range. */
const PRODUCER_FIXED = 0x0c;

/** PCI bus numbers `first` to `last` behind the bridge. */
export const busRange = (first: number, last: number): Bytes => wordSpace(BUS_NUMBER, 0, first, last);

/** Ports `first` to `last` that the bridge passes on; not only ISA ranges. */
export const ioRange = (first: number, last: number): Bytes => wordSpace(IO, 3, first, last);

/** Memory `first` to `last` below 4 GiB that the bridge passes on: uncached, read and write. */
export const memoryRange = (first: number, last: number): Bytes => {
  const range = [...u32(0), ...u32(first), ...u32(last), ...u32(0), ...u32(last - first + 1)];
  return [0x87, ...u16(3 + range.length), MEMORY, PRODUCER_FIXED, 1, ...range];
};

function wordSpace(type: number, flags: number, first: number, last: number): Bytes {
  const range = [...u16(0), ...u16(first), ...u16(last), ...u16(0), ...u16(last - first + 1)];
  return [0x88, ...u16(3 + range.length), ...u8(type), PRODUCER_FIXED, flags, ...range];
}

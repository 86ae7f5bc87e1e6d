import type { Gpa } from "@tsvm/contracts";
import { ascii, type Bytes, checksumOf, joined, u8, u16, u32, u64, zeros } from "../bytes/fields.ts";
import type { AcpiPlatform, PciPlatform } from "./platform.ts";

/** Where the checksum stands in the header common to all tables. */
const CHECKSUM_AT = 9;

/** A system description table: common header, then `body`. ACPI Specification, "System Description Table Header". */
export function table(signature: string, revision: number, body: Bytes): Uint8Array {
  const header = [
    ...ascii(signature, 4),
    ...u32(36 + body.length),
    ...u8(revision),
    ...u8(0), // checksum, filled in below
    ...ascii("TSVM", 6, 0x20),
    ...ascii("TSVMPC", 8, 0x20),
    ...u32(1), // OEM revision
    ...ascii("TSVM", 4),
    ...u32(1), // creator revision
  ];
  const bytes = Uint8Array.from(joined(header, body));
  bytes[CHECKSUM_AT] = checksumOf(bytes);
  return bytes;
}

/** Root System Description Pointer, revision 2. Its first 20 bytes have a checksum of their own. */
export function rsdp(rsdtGpa: Gpa, xsdtGpa: Gpa): Uint8Array {
  const bytes = Uint8Array.from([
    ...ascii("RSD PTR "),
    ...u8(0),
    ...ascii("TSVM", 6, 0x20),
    ...u8(2),
    ...u32(rsdtGpa),
    ...u32(36),
    ...u64(xsdtGpa),
    ...u8(0),
    ...zeros(3),
  ]);
  bytes[8] = checksumOf(bytes.subarray(0, 20));
  bytes[32] = checksumOf(bytes);
  return bytes;
}

export const rsdt = (tables: readonly Gpa[]): Uint8Array => table("RSDT", 1, tables.flatMap(u32));

export const xsdt = (tables: readonly Gpa[]): Uint8Array => table("XSDT", 1, tables.flatMap(u64));

/** Offset of the Firmware_Waking_Vector in the FACS. */
export const FACS_WAKING_VECTOR = 12;

/** Firmware ACPI Control Structure: no header as the others have, no checksum, 64-aligned. */
export function facs(): Uint8Array {
  return Uint8Array.from([...ascii("FACS"), ...u32(64), ...zeros(24), ...u8(1), ...zeros(31)]);
}

/** HPET Description Table. IA-PC HPET Specification, "The ACPI 2.0 HPET Description Table". */
export function hpetTable(gpa: Gpa): Uint8Array {
  return table("HPET", 1, [
    ...u32(0x8086a201), // vendor 8086h, legacy routing, 64-bit counter, 3 comparators, revision 1
    ...genericAddress(SPACE_MEMORY, 64, gpa),
    ...u8(0), // number
    ...u16(0x80), // least ticks between periodic interrupts that none is lost
    ...u8(0),
  ]);
}

/** Memory-mapped configuration space. PCI Firmware Specification, "MCFG Table Description". */
export function mcfg({ ecam }: PciPlatform): Uint8Array {
  const lastBus = ecam.length / 0x10_0000 - 1;
  return table("MCFG", 1, [...zeros(8), ...u64(ecam.gpa), ...u16(0), ...[0, lastBus], ...zeros(4)]);
}

export const SPACE_MEMORY = 0;
export const SPACE_IO = 1;

/** Generic Address Structure, access of any size. */
export function genericAddress(space: number, bits: number, address: number): Bytes {
  return [space, bits, 0, 0, ...u64(address)];
}

/** MADT flags of an interrupt: active high; edge or level. */
const ACTIVE_HIGH_EDGE = 0x5;
const ACTIVE_HIGH_LEVEL = 0xd;

/** Multiple APIC Description Table. ACPI Specification, "Multiple APIC Description Table (MADT)". */
export function madt(platform: AcpiPlatform): Uint8Array {
  const cpus = Array.from({ length: platform.cpuCount }, (_, id) => [0, 8, id, id, ...u32(1)]);
  const ioApic = [1, 12, platform.ioApicId, 0, ...u32(platform.ioApicGpa), ...u32(0)];
  const overrides = platform.interruptOverrides.map(({ irq, gsi, levelTriggered }) => [
    ...[2, 10, 0, irq],
    ...u32(gsi),
    ...u16(levelTriggered ? ACTIVE_HIGH_LEVEL : ACTIVE_HIGH_EDGE),
  ]);
  const nmi = [4, 6, 0xff, ...u16(ACTIVE_HIGH_EDGE), 1]; // all CPUs, LINT1
  const pcatCompat = 1; // there is a PIC pair to be masked
  return table("APIC", 3, [
    ...u32(platform.localApicGpa),
    ...u32(pcatCompat),
    ...cpus.flat(),
    ...ioApic,
    ...overrides.flat(),
    ...nmi,
  ]);
}

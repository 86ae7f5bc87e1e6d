import type { Gpa } from "@tsvm/contracts";
import { type BootSegment, segment } from "../boot/boot-image.ts";
import { ascii, type Bytes, checksumOf, u8, u16, u32, u64, zeros } from "../bytes/fields.ts";

/** What the tables say of the machine. */
export interface SmbiosIdentity {
  readonly manufacturer: string;
  readonly product: string;
  readonly version: string;
  /** Of the firmware, MM/DD/YYYY. */
  readonly date: string;
  readonly memoryBytes: number;
  /** Sixteen bytes in the order of the structure; all zero: there is none. */
  readonly uuid: Uint8Array;
}

/** Bytes of the entry point; the structures follow at the next multiple of 16. */
const ENTRY_BYTES = 31;
const STRUCTURES_AT = 32;

/**
 * SMBIOS 2.8 entry point and structures at `gpa`, a multiple of 16 in the BIOS area: just what lets an OS name the machine
 * in its log. DMTF DSP0134, "SMBIOS Structure Table Entry Point", "Structure definitions".
 */
export function buildSmbios(identity: SmbiosIdentity, gpa: Gpa): readonly BootSegment[] {
  const structures = [
    biosInformation(identity),
    systemInformation(identity),
    enclosure(identity),
    memoryArray(identity),
    end(),
  ];
  const table = Uint8Array.from(structures.flat());
  const longest = Math.max(...structures.map((structure) => structure.length));
  const entry = entryPoint(gpa + STRUCTURES_AT, table.length, structures.length, longest);
  return [segment(gpa, entry), segment(gpa + STRUCTURES_AT, table)];
}

function entryPoint(tableGpa: Gpa, tableBytes: number, count: number, longest: number): Uint8Array {
  const bytes = Uint8Array.from([
    ...ascii("_SM_"),
    ...u8(0), // checksum of all, filled in below
    ...u8(ENTRY_BYTES),
    ...[2, 8], // version
    ...u16(longest),
    ...zeros(6), // revision, formatted area
    ...ascii("_DMI_"),
    ...u8(0), // checksum from "_DMI_" on
    ...u16(tableBytes),
    ...u32(tableGpa),
    ...u16(count),
    ...u8(0x28),
  ]);
  bytes[21] = checksumOf(bytes.subarray(16));
  bytes[4] = checksumOf(bytes);
  return bytes;
}

/** A structure: header, formatted area, then its strings; the formatted area refers to them by number from 1. */
function structure(type: number, handle: number, fields: Bytes, strings: readonly string[]): Bytes {
  const text = strings.flatMap((s) => [...ascii(s), 0]);
  return [type, 4 + fields.length, ...u16(handle), ...fields, ...(text.length > 0 ? text : [0]), 0];
}

/** Type 0. */
function biosInformation({ manufacturer, version, date }: SmbiosIdentity): Bytes {
  const notSupported = 1 << 3;
  const fields = [1, 2, ...u16(0xf000), 3, 0, ...u64(notSupported), ...u16(0), 0xff, 0xff, 0xff, 0xff];
  return structure(0, 0, fields, [manufacturer, version, date]);
}

/** Type 1. */
function systemInformation({ manufacturer, product, version, uuid }: SmbiosIdentity): Bytes {
  const wakeByPowerSwitch = 6;
  return structure(1, 0x100, [1, 2, 3, 0, ...uuid, wakeByPowerSwitch, 0, 0], [manufacturer, product, version]);
}

/** Type 3, without which some tools take the machine for a laptop. */
function enclosure({ manufacturer }: SmbiosIdentity): Bytes {
  const other = 1;
  const safe = 3;
  return structure(3, 0x300, [1, other, 0, 0, 0, safe, safe, safe, 2, ...u32(0), 0, 0, 0, 0, 0], [manufacturer]);
}

/** Type 16. */
function memoryArray({ memoryBytes }: SmbiosIdentity): Bytes {
  const [otherPlace, systemMemory, multiBitEcc] = [1, 3, 6];
  const noErrorInformation = 0xfffe;
  const kibibytes = memoryBytes / 1024;
  return structure(
    16,
    0x1000,
    [otherPlace, systemMemory, multiBitEcc, ...u32(kibibytes), ...u16(noErrorInformation), ...u16(1), ...u64(0)],
    [],
  );
}

/** Type 127. */
const end = (): Bytes => structure(127, 0x7f00, [], []);

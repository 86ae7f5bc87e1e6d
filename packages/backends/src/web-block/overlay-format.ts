// The file of a persistent overlay. All numbers are little-endian.
//
//   0        header: magic, version, salt, sectors of the disk, identity of the base; CRC-32 of all that in its last word
//   4096     group 0: one map block of 256 entries, then 256 clusters of 4 KiB
//   ...      group 1, and so on; the last may be cut short behind its last cluster that is in use
//
// Entry n of a group's map tells what the group's cluster n holds: which cluster of the disk, which of its eight sectors,
// the file's salt, and a CRC-32 over these and the entry's place. An entry of zeros is free.
//
// Invariants, which make a crash harmless:
// (1) An entry is 16 bytes, aligned, so that storage writes it whole or not at all.
// (2) An entry is written only when the sectors it tells of are on stable storage; until then the base's are seen.
// (3) An entry is never taken back and never names another cluster: it can only gain sectors.
import { BackendError } from "@tsvm/contracts";
import { SECTOR_LENGTH } from "../block/block-range.ts";
import { crc32 } from "./crc32.ts";

/** Bytes of the header, of a map block, and of a cluster: a page of the usual file systems. */
export const CLUSTER_BYTES = 4096;
export const CLUSTER_SECTORS: number = CLUSTER_BYTES / SECTOR_LENGTH;
export const GROUP_CLUSTERS = 256;

const ENTRY_BYTES: number = CLUSTER_BYTES / GROUP_CLUSTERS;
const GROUP_BYTES: number = (1 + GROUP_CLUSTERS) * CLUSTER_BYTES;
/** "TSVM-COW" */
const MAGIC = [0x54, 0x53, 0x56, 0x4d, 0x2d, 0x43, 0x4f, 0x57] as const;
const VERSION = 1;
const VERSION_AT = 8;
const SALT_AT = 12;
const SECTORS_AT = 16;
const IDENTITY_LENGTH_AT = 24;
const IDENTITY_AT = 28;
const IDENTITY_MAX = 1024;
const CRC_AT: number = CLUSTER_BYTES - 4;

/** What the header says. */
export interface OverlayHeader {
  /** The disk's sectors. */
  readonly sectorCount: number;
  /** Of the image under the overlay; of a very long one only the beginning. */
  readonly identity: string;
  /** Any number of 32 bits: entries left over from another overlay do not pass for this one's. */
  readonly salt: number;
}

/** What one entry says. */
export interface OverlayEntry {
  /** Number of the disk's cluster. */
  readonly cluster: number;
  /** One bit per sector that is in the overlay. */
  readonly sectors: number;
}

/** Where the map block of `group` stands. */
export const mapBlockAt = (group: number): number => CLUSTER_BYTES + group * GROUP_BYTES;

/** Where the cluster of `slot` stands; slots are counted through all groups. */
export const slotAt = (slot: number): number =>
  mapBlockAt(Math.floor(slot / GROUP_CLUSTERS)) + (1 + (slot % GROUP_CLUSTERS)) * CLUSTER_BYTES;

/** Map blocks that a file of `bytes` bytes can have. */
export const groupsIn = (bytes: number): number => Math.max(0, Math.ceil((bytes - CLUSTER_BYTES) / GROUP_BYTES));

/** `identity` as a header can hold it. */
export function storableIdentity(identity: string): string {
  const bytes = new TextEncoder().encode(identity);
  // A character cut in two at the end becomes U+FFFD, here and whenever it is read: the same text each time.
  return bytes.length <= IDENTITY_MAX ? identity : new TextDecoder().decode(bytes.subarray(0, IDENTITY_MAX - 3));
}

export function encodeHeader({ sectorCount, identity, salt }: OverlayHeader): Uint8Array {
  const bytes = new Uint8Array(CLUSTER_BYTES);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder().encode(storableIdentity(identity));
  bytes.set(MAGIC);
  view.setUint32(VERSION_AT, VERSION, true);
  view.setUint32(SALT_AT, salt, true);
  view.setBigUint64(SECTORS_AT, BigInt(sectorCount), true);
  view.setUint32(IDENTITY_LENGTH_AT, text.length, true);
  bytes.set(text, IDENTITY_AT);
  view.setUint32(CRC_AT, crc32(bytes.subarray(0, CRC_AT)), true);
  return bytes;
}

/** @throws BackendError `BACKEND_OVERLAY_DAMAGED`, naming `name` */
export function decodeHeader(bytes: Uint8Array, name: string): OverlayHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw damaged(name, "its first bytes are no overlay's");
  if (view.getUint32(VERSION_AT, true) !== VERSION) {
    throw damaged(name, `it has version ${view.getUint32(VERSION_AT, true)}, not ${VERSION}`);
  }
  if (view.getUint32(CRC_AT, true) !== crc32(bytes.subarray(0, CRC_AT))) throw damaged(name, "its header is corrupt");
  const length = Math.min(view.getUint32(IDENTITY_LENGTH_AT, true), IDENTITY_MAX);
  return {
    sectorCount: Number(view.getBigUint64(SECTORS_AT, true)),
    identity: new TextDecoder().decode(bytes.subarray(IDENTITY_AT, IDENTITY_AT + length)),
    salt: view.getUint32(SALT_AT, true),
  };
}

/** Writes the entry of `slot` into its group's map block. */
export function encodeEntry(map: Uint8Array, slot: number, { cluster, sectors }: OverlayEntry, salt: number): void {
  const at = (slot % GROUP_CLUSTERS) * ENTRY_BYTES;
  const view = new DataView(map.buffer, map.byteOffset, map.length);
  view.setUint32(at, cluster, true);
  view.setUint32(at + 4, sectors, true);
  view.setUint32(at + 8, salt, true);
  view.setUint32(at + 12, entryCrc(map, at, slot), true);
}

/**
 * The entry of `slot`; undefined if it is free.
 * @throws BackendError `BACKEND_OVERLAY_DAMAGED`
 */
export function decodeEntry(map: Uint8Array, slot: number, salt: number, name: string): OverlayEntry | undefined {
  const at = (slot % GROUP_CLUSTERS) * ENTRY_BYTES;
  if (map.subarray(at, at + ENTRY_BYTES).every((byte) => byte === 0)) return undefined;
  const view = new DataView(map.buffer, map.byteOffset, map.length);
  const sectors = view.getUint32(at + 4, true);
  const isSound =
    view.getUint32(at + 8, true) === salt &&
    view.getUint32(at + 12, true) === entryCrc(map, at, slot) &&
    sectors > 0 &&
    sectors < 1 << CLUSTER_SECTORS;
  if (!isSound) throw damaged(name, `entry ${slot} of its map is corrupt`);
  return { cluster: view.getUint32(at, true), sectors };
}

/** Of an entry's first three words, and of its place, so that an entry in another place does not pass. */
const entryCrc = (map: Uint8Array, at: number, slot: number): number => (crc32(map.subarray(at, at + 12)) ^ slot) >>> 0;

export function damaged(name: string, why: string): BackendError {
  const advice = "discard it to start again from the image";
  return new BackendError("BACKEND_OVERLAY_DAMAGED", `the changes kept as '${name}' are damaged: ${why}; ${advice}`);
}

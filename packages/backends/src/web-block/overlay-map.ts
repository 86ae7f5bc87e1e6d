import {
  CLUSTER_BYTES,
  CLUSTER_SECTORS,
  damaged,
  decodeEntry,
  encodeEntry,
  GROUP_CLUSTERS,
  groupsIn,
  mapBlockAt,
  type OverlayEntry,
  slotAt,
} from "./overlay-format.ts";
import { type SyncFile, writeAll } from "./sync-file.ts";

/** Which clusters of the disk the overlay's file holds, and where. */
export interface OverlayMap {
  /** The slot of a cluster of the disk; undefined if there is none. */
  find(cluster: number): number | undefined;
  /** One bit per sector that the slot holds; 0 for no slot. */
  sectorsOf(slot: number | undefined): number;
  /** The slot of a cluster, given to it now if it has none; the file is long enough for it. */
  slotFor(cluster: number): number;
  /** The sectors of `mask` have been written into the slot. */
  add(slot: number, mask: number): void;
  /** Writes the entries that changed; the sectors must be on stable storage. True if there were any. */
  writeChanged(): boolean;
}

export interface OverlayMapOptions {
  /** In messages. */
  readonly name: string;
  readonly file: SyncFile;
  readonly salt: number;
  readonly sectorCount: number;
}

/**
 * Reads the maps of a file that has a header.
 * @throws BackendError `BACKEND_OVERLAY_DAMAGED` if any entry cannot be true.
 */
export function createOverlayMap(options: OverlayMapOptions): OverlayMap {
  const { file, salt } = options;
  const slots = new Map<number, number>();
  const entries: (OverlayEntry | undefined)[] = [];
  const changedGroups = new Set<number>();
  /** All below it are in use. */
  let firstFree = 0;
  readEntries(options, (slot, entry) => {
    entries[slot] = entry;
    slots.set(entry.cluster, slot);
  });

  function takeSlot(): number {
    while (entries[firstFree] !== undefined) firstFree++;
    const end = slotAt(firstFree) + CLUSTER_BYTES;
    if (file.getSize() < end) file.truncate(end);
    return firstFree;
  }

  return {
    find: (cluster) => slots.get(cluster),
    sectorsOf: (slot) => (slot === undefined ? 0 : (entries[slot]?.sectors ?? 0)),
    slotFor(cluster) {
      let slot = slots.get(cluster);
      if (slot === undefined) {
        slot = takeSlot();
        entries[slot] = { cluster, sectors: 0 };
        slots.set(cluster, slot);
      }
      return slot;
    },
    add(slot, mask) {
      const { cluster, sectors } = entries[slot] as OverlayEntry;
      if ((sectors & mask) === mask) return;
      entries[slot] = { cluster, sectors: sectors | mask };
      changedGroups.add(Math.floor(slot / GROUP_CLUSTERS));
    },
    writeChanged() {
      const changed = changedGroups.size > 0;
      for (const group of changedGroups) {
        writeAll(file, mapBlock(group, entries, salt), mapBlockAt(group));
        changedGroups.delete(group);
      }
      return changed;
    },
  };
}

function mapBlock(group: number, entries: readonly (OverlayEntry | undefined)[], salt: number): Uint8Array {
  const map = new Uint8Array(CLUSTER_BYTES);
  for (let i = 0; i < GROUP_CLUSTERS; i++) {
    const slot = group * GROUP_CLUSTERS + i;
    const entry = entries[slot];
    // A slot whose write failed has no sectors, and stays free in the file.
    if (entry !== undefined && entry.sectors !== 0) encodeEntry(map, slot, entry, salt);
  }
  return map;
}

function readEntries(options: OverlayMapOptions, found: (slot: number, entry: OverlayEntry) => void): void {
  const { name, file, salt, sectorCount } = options;
  const fileBytes = file.getSize();
  const clusters = Math.ceil(sectorCount / CLUSTER_SECTORS);
  const seen = new Set<number>();
  const map = new Uint8Array(CLUSTER_BYTES);
  for (let group = 0; group < groupsIn(fileBytes); group++) {
    map.fill(0);
    file.read(map, { at: mapBlockAt(group) });
    for (let i = 0; i < GROUP_CLUSTERS; i++) {
      const slot = group * GROUP_CLUSTERS + i;
      const entry = decodeEntry(map, slot, salt, name);
      if (entry === undefined) continue;
      if (entry.cluster >= clusters) throw damaged(name, `entry ${slot} of its map lies past the end of the disk`);
      if (seen.has(entry.cluster))
        throw damaged(name, `entry ${slot} of its map tells of a cluster for the second time`);
      if (slotAt(slot) + CLUSTER_BYTES > fileBytes) throw damaged(name, "it has been cut short");
      seen.add(entry.cluster);
      found(slot, entry);
    }
  }
}

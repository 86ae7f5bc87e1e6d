import {
  CHAIN_LIMIT,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_WRITE,
  DESC_LENGTH,
  decodeDescriptor,
  type RawDescriptor,
} from "./descriptor.ts";
import { type ChainSegment, DescriptorChain } from "./descriptor-chain.ts";
import type { GuestAccess } from "./guest-access.ts";

/**
 * Collects the descriptors of one chain and checks what both queue formats demand of it (virtio 1.2, "The Virtqueue
 * Descriptor Table", "Indirect Descriptors", "Packed Virtqueues"): device-readable before device-writable, at most
 * {@link CHAIN_LIMIT} descriptors, less than 4 GiB, no indirect table inside another.
 */
export interface ChainBuilder {
  begin(): void;
  /** False: the chain is malformed. A segment without bytes is taken and forgotten. */
  addSegment(descriptor: RawDescriptor, flags: number): boolean;
  /** Adds what the table that `descriptor` points at lists. `linked`: entries name the next one (split), else all in order (packed). */
  addIndirect(descriptor: RawDescriptor, flags: number, linked: boolean): boolean;
  finish(id: number, slots: number): DescriptorChain;
}

export function createChainBuilder(access: GuestAccess, indirectAllowed: boolean): ChainBuilder {
  let readable: ChainSegment[] = [];
  let writable: ChainSegment[] = [];
  let count = 0;
  let total = 0;
  const entry: RawDescriptor = { gpa: 0, length: 0, a: 0, b: 0 };

  function addSegment({ gpa, length }: RawDescriptor, flags: number): boolean {
    count++;
    total += length;
    if (count > CHAIN_LIMIT || total >= 2 ** 32) return false;
    const forDevice = (flags & DESC_F_WRITE) === 0;
    if (forDevice && writable.length > 0) return false;
    if (length > 0) (forDevice ? readable : writable).push({ gpa, length });
    return true;
  }

  /** Entry after entry, until one without NEXT; a loop ends because no more entries are followed than there are. */
  function addLinked(table: DataView, entries: number): boolean {
    let index = 0;
    for (let followed = 0; followed < entries; followed++) {
      if (index >= entries || !decodeDescriptor(table, index * DESC_LENGTH, entry)) return false;
      if ((entry.a & DESC_F_INDIRECT) !== 0 || !addSegment(entry, entry.a)) return false;
      if ((entry.a & DESC_F_NEXT) === 0) return true;
      index = entry.b;
    }
    return false;
  }

  function addAll(table: DataView, entries: number): boolean {
    for (let index = 0; index < entries; index++) {
      if (!decodeDescriptor(table, index * DESC_LENGTH, entry)) return false;
      if ((entry.b & DESC_F_INDIRECT) !== 0 || !addSegment(entry, entry.b)) return false;
    }
    return true;
  }

  return {
    begin(): void {
      readable = [];
      writable = [];
      count = 0;
      total = 0;
    },
    addSegment,
    addIndirect({ gpa, length }, flags, linked): boolean {
      if (!indirectAllowed || (flags & DESC_F_NEXT) !== 0) return false;
      const entries = length / DESC_LENGTH;
      if (!Number.isInteger(entries) || entries === 0 || entries > CHAIN_LIMIT) return false;
      const bytes = new Uint8Array(length);
      if (!access.read(gpa, bytes)) return false;
      const table = new DataView(bytes.buffer);
      return linked ? addLinked(table, entries) : addAll(table, entries);
    },
    finish: (id, slots) => new DescriptorChain(access, { id, slots, ordinal: 0, readable, writable }),
  };
}

import { createChainBuilder } from "./chain-builder.ts";
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_LENGTH, decodeDescriptor, type RawDescriptor } from "./descriptor.ts";
import type { DescriptorChain } from "./descriptor-chain.ts";
import {
  FRESH_VIRTQUEUE,
  passedEvent,
  type ReturnedChain,
  type Virtqueue,
  type VirtqueueOptions,
  type VirtqueueState,
} from "./virtqueue.ts";

/** Both rings: flags, index, entries, then the other side's event index. */
const RING_FLAGS = 0;
const RING_IDX = 2;
const RING_ENTRIES = 4;
const AVAIL_F_NO_INTERRUPT = 1;
const USED_ENTRY_LENGTH = 8;

/** Virtio 1.2, "Split Virtqueues". */
export function createSplitQueue(options: VirtqueueOptions): Virtqueue {
  const { access, size, descriptors, driver, device, eventIndex, onBroken } = options;
  const builder = createChainBuilder(access, options.indirect);
  const descriptor: RawDescriptor = { gpa: 0, length: 0, a: 0, b: 0 };
  const descriptorBytes = new Uint8Array(DESC_LENGTH);
  const descriptorView = new DataView(descriptorBytes.buffer);
  const usedEntry = new Uint8Array(USED_ENTRY_LENGTH);
  const usedEntryView = new DataView(usedEntry.buffer);
  const usedEvent = driver + RING_ENTRIES + 2 * size;
  const availEvent = device + RING_ENTRIES + USED_ENTRY_LENGTH * size;
  const state: VirtqueueState = { ...FRESH_VIRTQUEUE };
  let broken = false;

  function fail(): undefined {
    if (!broken) onBroken();
    broken = true;
    return undefined;
  }

  function readDescriptor(index: number): boolean {
    if (index >= size || !access.read(descriptors + DESC_LENGTH * index, descriptorBytes)) return false;
    return decodeDescriptor(descriptorView, 0, descriptor);
  }

  /** False for anything but a chain that ends; a loop is longer than the table. */
  function collect(head: number): boolean {
    builder.begin();
    let index = head;
    for (let followed = 0; followed < size; followed++) {
      if (!readDescriptor(index)) return false;
      const flags = descriptor.a;
      if ((flags & DESC_F_INDIRECT) !== 0) return builder.addIndirect(descriptor, flags, true);
      if (!builder.addSegment(descriptor, flags)) return false;
      if ((flags & DESC_F_NEXT) === 0) return true;
      index = descriptor.b;
    }
    return false;
  }

  return {
    pop(): DescriptorChain | undefined {
      if (broken) return undefined;
      const idx = access.read16(driver + RING_IDX);
      if (idx === undefined) return fail();
      const waiting = (idx - state.available) & 0xffff;
      if (waiting > size) return fail();
      if (waiting === 0) {
        if (eventIndex && !access.write16(availEvent, state.available)) return fail();
        return undefined;
      }
      const head = access.read16(driver + RING_ENTRIES + 2 * (state.available % size));
      if (head === undefined || !collect(head)) return fail();
      state.available = (state.available + 1) & 0xffff;
      return builder.finish(head, 1);
    },
    push(chain: ReturnedChain, written: number): void {
      if (broken) return;
      usedEntryView.setUint32(0, chain.id, true);
      usedEntryView.setUint32(4, written, true);
      const gpa = device + RING_ENTRIES + USED_ENTRY_LENGTH * (state.used % size);
      state.used = (state.used + 1) & 0xffff;
      state.pushed = true;
      // The entry before the index that announces it.
      if (!access.write(gpa, usedEntry) || !access.write16(device + RING_IDX, state.used)) fail();
    },
    takeSignal(): boolean {
      if (broken || !state.pushed) return false;
      const before = state.signalled;
      const wish = access.read16(eventIndex ? usedEvent : driver + RING_FLAGS);
      if (wish === undefined) return fail() ?? false;
      state.signalled = state.used;
      state.pushed = false;
      if (!eventIndex) return (wish & AVAIL_F_NO_INTERRUPT) === 0;
      return before === undefined || passedEvent(wish, state.used, before);
    },
    close(): void {
      broken = true;
    },
    save: () => ({ ...state }),
    restore(saved: VirtqueueState): void {
      Object.assign(state, saved);
    },
  };
}

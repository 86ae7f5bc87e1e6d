import { createChainBuilder } from "./chain-builder.ts";
import {
  DESC_F_AVAIL,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  DESC_LENGTH,
  decodeDescriptor,
  type RawDescriptor,
} from "./descriptor.ts";
import type { DescriptorChain } from "./descriptor-chain.ts";
import {
  FRESH_VIRTQUEUE,
  passedEvent,
  type ReturnedChain,
  type Virtqueue,
  type VirtqueueOptions,
  type VirtqueueState,
} from "./virtqueue.ts";

const LENGTH_OFFSET = 8;
const FLAGS_OFFSET = 14;
/** Event suppression: a ring position with its wrap counter in bit 15, then flags. */
const EVENT_FLAGS = 2;
const RING_EVENT_FLAGS_DISABLE = 1;
const RING_EVENT_FLAGS_DESC = 2;

/**
 * Virtio 1.2, "Packed Virtqueues". The device never asks the driver to be silent, which is what a zeroed suppression
 * area says; so it writes nothing but used descriptors.
 */
export function createPackedQueue(options: VirtqueueOptions): Virtqueue {
  const { access, size, descriptors, driver, eventIndex, onBroken } = options;
  const builder = createChainBuilder(access, options.indirect);
  const descriptor: RawDescriptor = { gpa: 0, length: 0, a: 0, b: 0 };
  const bytes = new Uint8Array(DESC_LENGTH);
  const view = new DataView(bytes.buffer);
  const usedBytes = new Uint8Array(FLAGS_OFFSET - LENGTH_OFFSET);
  const usedView = new DataView(usedBytes.buffer);
  const state: VirtqueueState = { ...FRESH_VIRTQUEUE };
  let broken = false;

  function fail(): undefined {
    if (!broken) onBroken();
    broken = true;
    return undefined;
  }

  function readDescriptor(index: number): boolean {
    return access.read(descriptors + DESC_LENGTH * index, bytes) && decodeDescriptor(view, 0, descriptor);
  }

  /** "AVAIL equal to the wrap counter and USED not": made available and not yet used. */
  function isAvailable(flags: number): boolean {
    const avail = (flags & DESC_F_AVAIL) !== 0;
    const used = (flags & DESC_F_USED) !== 0;
    return avail === state.availableWrap && used !== state.availableWrap;
  }

  /** Ring entries of the chain that starts at the next position; 0 if it is malformed. */
  function collect(): number {
    builder.begin();
    let index = state.available;
    for (let slots = 1; slots <= size; slots++) {
      if (!readDescriptor(index)) return 0;
      const flags = descriptor.b;
      if ((flags & DESC_F_INDIRECT) !== 0) {
        return slots === 1 && builder.addIndirect(descriptor, flags, false) ? slots : 0;
      }
      if (!builder.addSegment(descriptor, flags)) return 0;
      if ((flags & DESC_F_NEXT) === 0) return slots;
      index = (index + 1) % size;
    }
    return 0;
  }

  function advanceAvailable(slots: number): void {
    state.available += slots;
    if (state.available < size) return;
    state.available -= size;
    state.availableWrap = !state.availableWrap;
  }

  function advanceUsed(slots: number): void {
    state.pushed = true;
    state.used += slots;
    if (state.used < size) return;
    state.used -= size;
    state.usedWrap = !state.usedWrap;
    // Positions of another lap cannot be compared: the driver is told once too often rather than not at all.
    state.signalled = undefined;
  }

  return {
    pop(): DescriptorChain | undefined {
      if (broken) return undefined;
      const flags = access.read16(descriptors + DESC_LENGTH * state.available + FLAGS_OFFSET);
      if (flags === undefined) return fail();
      if (!isAvailable(flags)) return undefined;
      const slots = collect();
      if (slots === 0) return fail();
      advanceAvailable(slots);
      return builder.finish(descriptor.a, slots);
    },
    push(chain: ReturnedChain, written: number): void {
      if (broken) return;
      const gpa = descriptors + DESC_LENGTH * state.used;
      usedView.setUint32(0, written, true);
      usedView.setUint16(4, chain.id, true);
      const wrap = state.usedWrap ? DESC_F_AVAIL | DESC_F_USED : 0;
      const flags = wrap | (written > 0 ? DESC_F_WRITE : 0);
      // The flags last: they make the descriptor the driver's.
      if (!access.write(gpa + LENGTH_OFFSET, usedBytes) || !access.write16(gpa + FLAGS_OFFSET, flags)) fail();
      advanceUsed(chain.slots);
    },
    takeSignal(): boolean {
      if (broken || !state.pushed) return false;
      const before = state.signalled;
      const flags = access.read16(driver + EVENT_FLAGS);
      const event = access.read16(driver);
      if (flags === undefined || event === undefined) return fail() ?? false;
      state.signalled = state.used;
      state.pushed = false;
      if ((flags & 3) === RING_EVENT_FLAGS_DISABLE) return false;
      if ((flags & 3) !== RING_EVENT_FLAGS_DESC || !eventIndex || before === undefined) return true;
      const sameLap = ((event & 0x8000) !== 0) === state.usedWrap;
      return passedEvent((event & 0x7fff) - (sameLap ? 0 : size), state.used, before);
    },
    close(): void {
      broken = true;
    },
    save: () => ({ ...state }),
    restore(saved: VirtqueueState): void {
      Object.assign(state, saved, { available: saved.available % size, used: saved.used % size });
    },
  };
}

import { booleanField, type Gpa, optionalField, recordField, type StateField, u16Field } from "@tsvm/contracts";
import type { DescriptorChain } from "./descriptor-chain.ts";
import type { GuestAccess } from "./guest-access.ts";
import { type OrderState, orderField } from "./in-order-queue.ts";

/** Where a queue lies in guest memory and what was negotiated about it. */
export interface VirtqueueOptions {
  readonly access: GuestAccess;
  /** Entries: a power of two (split), or any number up to 32768 (packed). */
  readonly size: number;
  /** Descriptor table, or packed descriptor ring; multiple of 16. */
  readonly descriptors: Gpa;
  /** Available ring (multiple of 2), or driver event suppression (multiple of 4). */
  readonly driver: Gpa;
  /** Used ring, or device event suppression; multiple of 4. */
  readonly device: Gpa;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIndex: boolean;
  /** VIRTIO_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean;
  /** VIRTIO_F_IN_ORDER was negotiated. */
  readonly inOrder: boolean;
  /** The ring makes no sense: the device must be reset before the queue can go on. Called once. */
  readonly onBroken: () => void;
}

/** Positions in the rings; all that a queue remembers outside guest memory. */
export interface VirtqueueState {
  /** Next entry to take. Split: free-running 16-bit; packed: index below the size. */
  available: number;
  /** Next entry to give back, in the same way. */
  used: number;
  /** Packed only: the wrap counters, initially true. */
  availableWrap: boolean;
  usedWrap: boolean;
  /** `used` when the driver was last asked to be interrupted; undefined: never, or too long ago to compare. */
  signalled: number | undefined;
  /** Something was pushed since then. */
  pushed: boolean;
  /** With VIRTIO_F_IN_ORDER only. */
  order: OrderState | undefined;
}

/** What goes back to the driver of a chain. */
export interface ReturnedChain {
  /** The head's index (split) or the buffer id (packed). */
  readonly id: number;
  /** Ring entries that it took up. */
  readonly slots: number;
}

export const virtqueueField: StateField<VirtqueueState> = recordField<VirtqueueState>({
  available: u16Field,
  used: u16Field,
  availableWrap: booleanField,
  usedWrap: booleanField,
  signalled: optionalField(u16Field),
  pushed: booleanField,
  order: optionalField(orderField),
});

/** The device's side of one virtqueue, of either format. Never throws for what the guest has written. */
export interface Virtqueue {
  /** The next buffer the driver made available, or undefined: none, or the queue is broken. Empty: asks for a notification. */
  pop(): DescriptorChain | undefined;
  /** Gives `chain` back with `written` bytes at the start of its writable part. Buffers may be given back in any order. */
  push(chain: ReturnedChain, written: number): void;
  /** Whether the driver wants an interrupt for what was pushed since the last call. */
  takeSignal(): boolean;
  /** Nobody may use the rings any more: from here on nothing is taken and nothing is written. */
  close(): void;
  save(): VirtqueueState;
  restore(state: VirtqueueState): void;
}

/** A queue nobody has used yet. */
export const FRESH_VIRTQUEUE: VirtqueueState = {
  available: 0,
  used: 0,
  availableWrap: true,
  usedWrap: true,
  signalled: undefined,
  pushed: false,
  order: undefined,
};

/**
 * Whether an index that moved from `before` to `now` passed `event`, all modulo 2^16.
 * Virtio 1.2, "Used Buffer Notification Suppression".
 */
export function passedEvent(event: number, now: number, before: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
}

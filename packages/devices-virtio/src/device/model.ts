import type { StateField } from "@tsvm/contracts";
import type { ChainState, DescriptorChain } from "../queue/descriptor-chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";

/**
 * What a kind of virtio device is, whatever transport it hangs on. A model reads and fills buffers; registers, feature
 * negotiation, queues and interrupts are the transport's and the core's.
 */
export interface VirtioModel<S = unknown> {
  readonly name: string;
  /** Virtio 1.2, "Device Types". */
  readonly deviceId: number;
  /** PCI class code for buses that have such: 24 bits. */
  readonly classCode: number;
  /** Features of this kind of device; 0 to 23 and 50 up. */
  readonly features: bigint;
  /** The most entries each queue can have: a power of two up to 32768. */
  readonly queueSizes: readonly number[];
  readonly config: ModelConfig;
  /** Called once, by the core, before anything else. */
  attach(host: ModelHost): void;
  /** The driver is ready (DRIVER_OK); `features` are the negotiated ones. Queues work from here to `reset`. */
  start(features: bigint): void;
  /** The driver made buffers available in queue `index`. */
  notify(index: number): void;
  /** Forget the driver and everything under way; results that are still to come must not reach it. */
  reset(): void;
  /** The same for one queue. A model that keeps no buffers does without. */
  resetQueue?(index: number): void;
  readonly stateField: StateField<S>;
  save(): S;
  /** `state` has passed `stateField`. The core has restored the queues already. */
  restore(state: S): void;
}

/** Device configuration space, byte by byte. */
export interface ModelConfig {
  readonly length: number;
  read(offset: number): number;
  write(offset: number, value: number): void;
}

/** What the core does for a model. */
export interface ModelHost {
  /** The queue as the driver has set it up; undefined while it has not, or after a reset. */
  queue(index: number): Virtqueue | undefined;
  /** The chain that was saved while it was under way. */
  resume(chain: ChainState): DescriptorChain;
  /** Interrupts the driver if it wants to hear of what was pushed to queue `index`. */
  signal(index: number): void;
  /** The configuration space changed by itself. */
  configChanged(): void;
  /** The driver broke the rules: DEVICE_NEEDS_RESET. */
  fail(): void;
}

/** A configuration space of bytes that only the device changes. */
export function readOnlyConfig(bytes: Uint8Array): ModelConfig {
  return { length: bytes.length, read: (offset) => bytes[offset] ?? 0, write(): void {} };
}

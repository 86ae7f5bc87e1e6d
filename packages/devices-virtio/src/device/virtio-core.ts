import {
  booleanField,
  type GuestMemory,
  listField,
  recordField,
  type StateField,
  u8Field,
  u32Field,
} from "@tsvm/contracts";
import { DescriptorChain } from "../queue/descriptor-chain.ts";
import { createGuestAccess, type GuestAccess } from "../queue/guest-access.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import {
  areFeaturesAcceptable,
  COMMON_FEATURES,
  featureWord,
  LEGACY_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
} from "./features.ts";
import type { ModelHost, VirtioModel } from "./model.ts";
import {
  freshQueueRegisters,
  LEGACY_PAGE,
  legacyQueueRegisters,
  openQueue,
  type QueueRegisters,
  type QueueState,
  queueField,
} from "./queue-slot.ts";

/** Bits of the device status. Virtio 1.2, "Device Status Field". */
export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_DEVICE_NEEDS_RESET = 64;
export const STATUS_FAILED = 128;
const STATUS_OF_DRIVER = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED;

/** How a transport interrupts the driver. */
export interface CoreInterrupts {
  queue(index: number): void;
  config(): void;
}

export interface CoreState<S = unknown> {
  status: number;
  featuresLow: number;
  featuresHigh: number;
  generation: number;
  /** Queues may be used: DRIVER_OK was accepted and nothing has gone wrong since. */
  started: boolean;
  queues: QueueState[];
  model: S;
}

/**
 * The part of a virtio device that all transports and all kinds share: negotiation, status, queues. Its accessors are
 * what the registers of both transports read and write; none of them throws for any value.
 *
 * Invariants:
 * 1. A model sees a queue only while the device is started and the queue is ready.
 * 2. Features do not change once FEATURES_OK has been accepted, nor do registers of a ready queue.
 * 3. Bits of the status are cleared by a reset only.
 */
export class VirtioCore<S = unknown> {
  readonly model: VirtioModel<S>;
  readonly stateField: StateField<CoreState<S>>;
  readonly #access: GuestAccess;
  readonly #interrupts: CoreInterrupts;
  readonly #offered: bigint;
  #registers: QueueRegisters[] = [];
  readonly #rings: (Virtqueue | undefined)[] = [];
  #status = 0;
  #featuresLow = 0;
  #featuresHigh = 0;
  #generation = 0;
  #started = false;

  constructor(model: VirtioModel<S>, memory: GuestMemory, interrupts: CoreInterrupts) {
    this.model = model;
    this.#access = createGuestAccess(memory);
    this.#interrupts = interrupts;
    this.#offered = model.features | COMMON_FEATURES;
    this.stateField = recordField<CoreState<S>>({
      status: u8Field,
      featuresLow: u32Field,
      featuresHigh: u32Field,
      generation: u8Field,
      started: booleanField,
      queues: listField(queueField, model.queueSizes.length),
      model: model.stateField,
    });
    this.#clear();
    const host: ModelHost = {
      queue: (index) => this.#rings[index],
      resume: (chain) => new DescriptorChain(this.#access, chain),
      signal: (index) => this.#signal(index),
      configChanged: () => this.#configChanged(),
      fail: () => this.#fail(),
    };
    model.attach(host);
  }

  /** Changes with every change of the configuration space by the device; 8 bits. */
  get generation(): number {
    return this.#generation;
  }

  get queueCount(): number {
    return this.model.queueSizes.length;
  }

  offeredWord(select: number): number {
    return featureWord(this.#offered, select);
  }

  acceptedWord(select: number): number {
    return select === 0 ? this.#featuresLow : select === 1 ? this.#featuresHigh : 0;
  }

  acceptWord(select: number, word: number): void {
    if ((this.#status & STATUS_FEATURES_OK) !== 0) return;
    if (select === 0) this.#featuresLow = word;
    if (select === 1) this.#featuresHigh = word;
  }

  get status(): number {
    return this.#status;
  }

  /** Writes the status: 0 resets, FEATURES_OK stays clear if the features do not suit, DRIVER_OK starts the device. */
  set status(value: number) {
    if (value === 0) {
      this.reset();
      return;
    }
    let next = this.#status | (value & STATUS_OF_DRIVER);
    if (!areFeaturesAcceptable(this.#features, this.#offered)) next &= ~STATUS_FEATURES_OK;
    if ((next & STATUS_FEATURES_OK) === 0) next &= ~STATUS_DRIVER_OK;
    const starts = (next & ~this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status = next;
    if (starts && (next & STATUS_DEVICE_NEEDS_RESET) === 0) this.#start();
  }

  /** What is offered to a driver older than virtio 1.0. */
  get legacyFeatures(): number {
    return (featureWord(this.#offered, 0) | LEGACY_F_ANY_LAYOUT) >>> 0;
  }

  /** Such a driver's choice; it is not told what it may not have. */
  acceptLegacy(word: number): void {
    if ((this.#status & STATUS_DRIVER_OK) !== 0) return;
    this.#featuresLow = (word & featureWord(this.#offered, 0)) >>> 0;
    this.#featuresHigh = 0;
  }

  /** The status as such a driver writes it: without FEATURES_OK. */
  writeLegacyStatus(value: number): void {
    if (value === 0) return this.reset();
    const next = this.#status | (value & STATUS_OF_DRIVER & ~STATUS_FEATURES_OK);
    const starts = (next & ~this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status = next;
    if (starts && (next & STATUS_DEVICE_NEEDS_RESET) === 0) this.#start();
  }

  /** The page in which queue `index` begins, as such a driver wrote it; 0: none. */
  legacyQueuePage(index: number): number {
    const registers = this.#registers[index];
    if (registers?.ready !== true) return 0;
    return Math.floor((registers.descriptorsHigh * 2 ** 32 + registers.descriptorsLow) / LEGACY_PAGE);
  }

  /** Sets up queue `index` from page `page` on, with the layout of "Legacy Interfaces: A Note on Virtqueue Layout"; 0 closes it. */
  setLegacyQueuePage(index: number, page: number): void {
    this.setQueueReady(index, false);
    const registers = this.#registers[index];
    if (registers === undefined || page === 0) return;
    this.#registers[index] = legacyQueueRegisters(this.queueMaxSize(index), page);
    this.setQueueReady(index, true);
  }

  /** Registers of queue `index`; undefined if there is no such queue. */
  queueRegisters(index: number): Readonly<QueueRegisters> | undefined {
    return this.#registers[index];
  }

  queueMaxSize(index: number): number {
    return this.model.queueSizes[index] ?? 0;
  }

  setQueueRegister(index: number, register: Exclude<keyof QueueRegisters, "ready">, value: number): void {
    const registers = this.#registers[index];
    if (registers !== undefined && !registers.ready) registers[register] = value;
  }

  setQueueReady(index: number, ready: boolean): void {
    const registers = this.#registers[index];
    if (registers === undefined || registers.ready === ready) return;
    registers.ready = ready;
    this.#closeQueue(index);
    if (ready && this.#started) this.#open(index);
  }

  /** VIRTIO_F_RING_RESET: the queue as after a reset of the device. Ignored if that was not negotiated. */
  resetQueue(index: number): void {
    if (this.#registers[index] === undefined || (this.#features & VIRTIO_F_RING_RESET) === 0n) return;
    this.#registers[index] = freshQueueRegisters(this.queueMaxSize(index));
    this.#closeQueue(index);
  }

  /** The driver's kick. Ignored while there is nothing to work with. */
  notify(index: number): void {
    if (this.#rings[index] !== undefined) this.model.notify(index);
  }

  reset(): void {
    this.#clear();
    this.model.reset();
  }

  save(): CoreState<S> {
    return {
      status: this.#status,
      featuresLow: this.#featuresLow,
      featuresHigh: this.#featuresHigh,
      generation: this.#generation,
      started: this.#started,
      queues: this.#registers.map((registers, index) => ({ ...registers, ring: this.#rings[index]?.save() })),
      model: this.model.save(),
    };
  }

  /** `state` has passed `stateField`. */
  restore(state: CoreState<S>): void {
    this.reset();
    this.#status = state.status;
    this.#featuresLow = state.featuresLow;
    this.#featuresHigh = state.featuresHigh;
    this.#generation = state.generation;
    this.#started = state.started;
    this.#registers = state.queues.map(({ ring: _, ...registers }) => registers);
    for (const [index, { ring, ready }] of state.queues.entries()) {
      if (ring === undefined || !ready || !this.#started) continue;
      this.#open(index);
      this.#rings[index]?.restore(ring);
    }
    this.model.restore(state.model);
  }

  get #features(): bigint {
    return (BigInt(this.#featuresHigh) << 32n) | BigInt(this.#featuresLow);
  }

  #clear(): void {
    this.#status = 0;
    this.#featuresLow = 0;
    this.#featuresHigh = 0;
    this.#generation = 0;
    this.#started = false;
    this.#registers = this.model.queueSizes.map(freshQueueRegisters);
    this.#closeRings();
  }

  #start(): void {
    this.#started = true;
    for (let index = 0; index < this.queueCount; index++) if (this.#registers[index]?.ready) this.#open(index);
    if (!this.#started) return;
    this.model.start(this.#features);
    // Buffers may have been made available before DRIVER_OK, when a notification would not have been heard.
    for (let index = 0; index < this.queueCount; index++) this.notify(index);
  }

  #open(index: number): void {
    const features = this.#features;
    const has = (bit: bigint): boolean => (features & bit) !== 0n;
    const queue = openQueue(
      this.#registers[index] as QueueRegisters,
      this.queueMaxSize(index),
      has(VIRTIO_F_RING_PACKED),
      {
        access: this.#access,
        eventIndex: has(VIRTIO_F_EVENT_IDX),
        indirect: has(VIRTIO_F_INDIRECT_DESC),
        inOrder: has(VIRTIO_F_IN_ORDER),
        onBroken: () => this.#fail(),
      },
    );
    if (queue === undefined) this.#fail();
    else this.#rings[index] = queue;
  }

  #closeQueue(index: number): void {
    const ring = this.#rings[index];
    if (ring === undefined) return;
    ring.close();
    this.#rings[index] = undefined;
    this.model.resetQueue?.(index);
  }

  /** Also those that somebody is just working with. */
  #closeRings(): void {
    for (const ring of this.#rings) ring?.close();
    this.#rings.fill(undefined, 0, this.#rings.length);
  }

  #signal(index: number): void {
    if (this.#rings[index]?.takeSignal()) this.#interrupts.queue(index);
  }

  #configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    if (this.#started) this.#interrupts.config();
  }

  #fail(): void {
    if ((this.#status & STATUS_DEVICE_NEEDS_RESET) !== 0) return;
    this.#status |= STATUS_DEVICE_NEEDS_RESET;
    this.#started = false;
    this.#closeRings();
    if ((this.#status & STATUS_DRIVER_OK) !== 0) this.#interrupts.config();
  }
}

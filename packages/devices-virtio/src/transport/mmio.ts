import {
  type AccessSize,
  type Device,
  type GuestMemory,
  type IoRegion,
  type IrqLine,
  recordField,
  type StateField,
  u8Field,
  u32Field,
} from "@tsvm/contracts";
import type { VirtioModel } from "../device/model.ts";
import type { QueueRegisters } from "../device/queue-slot.ts";
import { type CoreState, VirtioCore } from "../device/virtio-core.ts";
import { readModelConfig, writeModelConfig } from "./config-window.ts";

/** Virtio 1.2, "MMIO Device Register Layout"; names as there. */
const MAGIC_VALUE = 0x00;
const VERSION = 0x04;
const DEVICE_ID = 0x08;
const VENDOR_ID = 0x0c;
const DEVICE_FEATURES = 0x10;
const DEVICE_FEATURES_SEL = 0x14;
const DRIVER_FEATURES = 0x20;
const DRIVER_FEATURES_SEL = 0x24;
const QUEUE_SEL = 0x30;
const QUEUE_SIZE_MAX = 0x34;
const QUEUE_SIZE = 0x38;
const QUEUE_READY = 0x44;
const QUEUE_NOTIFY = 0x50;
const INTERRUPT_STATUS = 0x60;
const INTERRUPT_ACK = 0x64;
const STATUS = 0x70;
const QUEUE_RESET = 0xc0;
const CONFIG_GENERATION = 0xfc;
const CONFIG = 0x100;

/** Shared memory registers: there is none, which a length of all ones says. */
const SHM_LEN_LOW = 0xb0;
const SHM_BASE_HIGH = 0xbc;

const MAGIC = 0x7472_6976;
/** "TSVM", read as a little-endian number. */
const VENDOR = 0x4d56_5354;

const INTERRUPT_USED_BUFFER = 1;
const INTERRUPT_CONFIG = 2;

/** Address registers of the selected queue, by offset. */
const QUEUE_ADDRESSES: Readonly<Record<number, Exclude<keyof QueueRegisters, "ready">>> = {
  [QUEUE_SIZE]: "size",
  128: "descriptorsLow",
  132: "descriptorsHigh",
  144: "driverLow",
  148: "driverHigh",
  160: "deviceLow",
  164: "deviceHigh",
};

export interface VirtioMmioOptions<S> {
  readonly model: VirtioModel<S>;
  readonly memory: GuestMemory;
  readonly irq: IrqLine;
  /** Default: the model's name. */
  readonly name?: string;
}

export interface VirtioMmioState<S> {
  featuresSelect: number;
  driverFeaturesSelect: number;
  queueSelect: number;
  interruptStatus: number;
  core: CoreState<S>;
}

/**
 * A virtio device behind a window of 512 bytes and one wire: virtio 1.2, "Virtio Over MMIO", version 2. Registers below
 * the configuration space answer to aligned 32-bit accesses only.
 */
export function createVirtioMmio<S>(options: VirtioMmioOptions<S>): Device<VirtioMmioState<S>> {
  return new VirtioMmio(options);
}

class VirtioMmio<S> implements Device<VirtioMmioState<S>> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly #core: VirtioCore<S>;
  readonly #irq: IrqLine;
  readonly #stateField: StateField<VirtioMmioState<S>>;
  #featuresSelect = 0;
  #driverFeaturesSelect = 0;
  #queueSelect = 0;
  #interruptStatus = 0;

  constructor({ model, memory, irq, name = model.name }: VirtioMmioOptions<S>) {
    this.name = name;
    this.#irq = irq;
    this.#core = new VirtioCore(model, memory, {
      queue: () => this.#raise(INTERRUPT_USED_BUFFER),
      config: () => this.#raise(INTERRUPT_CONFIG),
    });
    this.#stateField = recordField<VirtioMmioState<S>>({
      featuresSelect: u32Field,
      driverFeaturesSelect: u32Field,
      queueSelect: u32Field,
      interruptStatus: u8Field,
      core: this.#core.stateField,
    });
    const region: IoRegion = {
      name,
      length: 0x200,
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
    this.regions = [region];
  }

  reset(): void {
    this.#core.reset();
    this.#featuresSelect = 0;
    this.#driverFeaturesSelect = 0;
    this.#queueSelect = 0;
    this.#setInterruptStatus(0);
  }

  save(): VirtioMmioState<S> {
    return {
      featuresSelect: this.#featuresSelect,
      driverFeaturesSelect: this.#driverFeaturesSelect,
      queueSelect: this.#queueSelect,
      interruptStatus: this.#interruptStatus,
      core: this.#core.save(),
    };
  }

  restore(untrusted: VirtioMmioState<S>): void {
    const state = this.#stateField(untrusted, this.name);
    this.#featuresSelect = state.featuresSelect;
    this.#driverFeaturesSelect = state.driverFeaturesSelect;
    this.#queueSelect = state.queueSelect;
    // Before the core, which may go on with work at once and raise more.
    this.#setInterruptStatus(state.interruptStatus);
    this.#core.restore(state.core);
  }

  #read(offset: number, size: AccessSize): number {
    const core = this.#core;
    if (offset >= CONFIG) return readModelConfig(core.model.config, offset - CONFIG, size);
    if (size !== 4) return 0;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION:
        return 2;
      case DEVICE_ID:
        return core.model.deviceId;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return core.offeredWord(this.#featuresSelect);
      case QUEUE_SIZE_MAX:
        return core.queueMaxSize(this.#queueSelect);
      case QUEUE_READY:
        return core.queueRegisters(this.#queueSelect)?.ready ? 1 : 0;
      case INTERRUPT_STATUS:
        return this.#interruptStatus;
      case STATUS:
        return core.status;
      case CONFIG_GENERATION:
        return core.generation;
      default:
        return offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH && offset % 4 === 0 ? 0xffff_ffff : 0;
    }
  }

  #write(offset: number, size: AccessSize, value: number): void {
    const core = this.#core;
    if (offset >= CONFIG) return writeModelConfig(core.model.config, offset - CONFIG, size, value);
    if (size !== 4) return;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.#featuresSelect = value;
        return;
      case DRIVER_FEATURES_SEL:
        this.#driverFeaturesSelect = value;
        return;
      case DRIVER_FEATURES:
        return core.acceptWord(this.#driverFeaturesSelect, value);
      case QUEUE_SEL:
        this.#queueSelect = value;
        return;
      case QUEUE_READY:
        return core.setQueueReady(this.#queueSelect, (value & 1) !== 0);
      case QUEUE_NOTIFY:
        return core.notify(value & 0xffff);
      case QUEUE_RESET:
        // Done at once: the register never reads as 1.
        if (value === 1) core.resetQueue(this.#queueSelect);
        return;
      case INTERRUPT_ACK:
        return this.#setInterruptStatus(this.#interruptStatus & ~value);
      case STATUS:
        return this.#writeStatus(value);
      default:
        return this.#writeQueueRegister(offset, value);
    }
  }

  #writeStatus(value: number): void {
    this.#core.status = value & 0xff;
    if (this.#core.status === 0) this.#setInterruptStatus(0);
  }

  #writeQueueRegister(offset: number, value: number): void {
    const register = QUEUE_ADDRESSES[offset];
    if (register === undefined) return;
    this.#core.setQueueRegister(this.#queueSelect, register, register === "size" ? value & 0xffff : value);
  }

  #raise(cause: number): void {
    this.#setInterruptStatus(this.#interruptStatus | cause);
  }

  #setInterruptStatus(status: number): void {
    this.#interruptStatus = status;
    this.#irq.set(status !== 0);
  }
}

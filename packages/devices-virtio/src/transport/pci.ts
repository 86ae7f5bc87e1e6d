import {
  type AccessSize,
  type Device,
  type GuestMemory,
  type IoRegion,
  type IrqLine,
  listField,
  type MsiTarget,
  recordField,
  type StateField,
  u8Field,
  u16Field,
  u32Field,
} from "@tsvm/contracts";
import type { VirtioModel } from "../device/model.ts";
import { type CoreState, VirtioCore } from "../device/virtio-core.ts";
import { readModelConfig, writeModelConfig } from "./config-window.ts";
import { createMsixTable, type MsixState, type MsixTable } from "./msix.ts";
import { createCommonConfig, type PciSelectors } from "./pci-common-config.ts";
import {
  CAPABILITIES_AT,
  COMMON_AT,
  DEVICE_AT,
  ISR_AT,
  MSIX_BAR,
  MSIX_CONTROL_AT,
  MSIX_LENGTH,
  MSIX_PENDING_AT,
  NOTIFY_AT,
  NOTIFY_OFF_MULTIPLIER,
  type PciConfigRegister,
  pciCapabilities,
  STRUCTURE_LENGTH,
  STRUCTURES_BAR,
  STRUCTURES_LENGTH,
} from "./pci-layout.ts";

const VIRTIO_VENDOR_ID = 0x1af4;
/** Modern devices: this plus the virtio device id. Virtio 1.2, "PCI Device Discovery". */
const MODERN_DEVICE_ID = 0x1040;
const NO_VECTOR = 0xffff;
const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

export interface VirtioPciOptions<S> {
  readonly model: VirtioModel<S>;
  readonly memory: GuestMemory;
  /** The interrupt pin: used while MSI-X is off. */
  readonly intx: IrqLine;
  readonly msi: MsiTarget;
  /** Default: the model's name. */
  readonly name?: string;
}

/** What the board needs to make a PCI function of the device. */
export interface VirtioPciFace {
  readonly identity: {
    readonly vendorId: number;
    readonly deviceId: number;
    readonly classCode: number;
    readonly revision: number;
    readonly subsystemVendorId: number;
    readonly subsystemId: number;
  };
  /** One window for each BAR; the board maps it where the BAR says. */
  readonly bars: readonly {
    readonly index: number;
    readonly kind: "memory" | "memory64";
    readonly length: number;
    readonly prefetchable?: boolean;
    readonly region: IoRegion;
  }[];
  /** The capabilities' bytes, and the offset of the first. */
  readonly registers: readonly PciConfigRegister[];
  readonly capabilities: number;
  /** Offset of the 16-bit register that `setMsixControl` wants to hear of. */
  readonly msixControl: number;
}

export interface VirtioPciState<S> {
  featuresSelect: number;
  driverFeaturesSelect: number;
  queueSelect: number;
  configVector: number;
  queueVectors: number[];
  isr: number;
  msixControl: number;
  msix: MsixState;
  core: CoreState<S>;
}

/**
 * A virtio device on PCI: virtio 1.2, "Virtio Over PCI Bus", modern interface only. The configuration space itself
 * belongs to the board's PCI function; this gives it the bytes (`face`) and hears of writes to MSI-X message control.
 */
export interface VirtioPci<S = unknown> extends Device<VirtioPciState<S>> {
  readonly face: VirtioPciFace;
  /** The guest wrote configuration space: the value that now stands at `face.msixControl`. */
  setMsixControl(value: number): void;
}

export function createVirtioPci<S>(options: VirtioPciOptions<S>): VirtioPci<S> {
  return new VirtioPciDevice(options);
}

class VirtioPciDevice<S> implements VirtioPci<S> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly face: VirtioPciFace;
  readonly #core: VirtioCore<S>;
  readonly #msix: MsixTable;
  readonly #intx: IrqLine;
  readonly #common: IoRegion;
  readonly #stateField: StateField<VirtioPciState<S>>;
  readonly #selectors: PciSelectors;
  #msixControl = 0;
  #isr = 0;

  constructor({ model, memory, intx, msi, name = model.name }: VirtioPciOptions<S>) {
    this.name = name;
    this.#intx = intx;
    this.#core = new VirtioCore(model, memory, {
      queue: (index) => this.#raise(ISR_QUEUE, this.#selectors.queueVectors[index] ?? NO_VECTOR),
      config: () => this.#raise(ISR_CONFIG, this.#selectors.configVector),
    });
    const queues = this.#core.queueCount;
    // One for each queue and one for changes of the configuration.
    this.#msix = createMsixTable(name, queues + 1, msi);
    this.#selectors = freshSelectors(queues);
    this.#common = createCommonConfig(name, this.#core, this.#selectors, this.#msix.count, () => this.#afterReset());
    this.#stateField = stateFieldOf(this.#core, this.#msix);
    const structures = this.#structures();
    const msixWindow = this.#msixWindow();
    this.regions = [structures, msixWindow];
    this.face = {
      identity: {
        vendorId: VIRTIO_VENDOR_ID,
        deviceId: MODERN_DEVICE_ID + model.deviceId,
        classCode: model.classCode,
        revision: 1,
        subsystemVendorId: VIRTIO_VENDOR_ID,
        subsystemId: MODERN_DEVICE_ID + model.deviceId,
      },
      bars: [
        { index: MSIX_BAR, kind: "memory", length: MSIX_LENGTH, region: msixWindow },
        { index: STRUCTURES_BAR, kind: "memory64", length: STRUCTURES_LENGTH, prefetchable: true, region: structures },
      ],
      registers: pciCapabilities(this.#msix.count, queues, model.config.length),
      capabilities: CAPABILITIES_AT,
      msixControl: MSIX_CONTROL_AT,
    };
  }

  setMsixControl(value: number): void {
    this.#msixControl = value;
    this.#msix.setControl(value);
    this.#drivePin();
  }

  reset(): void {
    this.#core.reset();
    Object.assign(this.#selectors, freshSelectors(this.#core.queueCount));
    this.#msix.reset();
    this.#msixControl = 0;
    this.#isr = 0;
    this.#drivePin();
  }

  save(): VirtioPciState<S> {
    return {
      ...this.#selectors,
      queueVectors: [...this.#selectors.queueVectors],
      isr: this.#isr,
      msixControl: this.#msixControl,
      msix: this.#msix.save(),
      core: this.#core.save(),
    };
  }

  restore(untrusted: VirtioPciState<S>): void {
    const { isr, msixControl, msix, core, ...selectors } = this.#stateField(untrusted, this.name);
    Object.assign(this.#selectors, selectors);
    this.#isr = isr;
    this.#msix.restore(msix);
    this.setMsixControl(msixControl);
    this.#core.restore(core);
  }

  /** The driver's own reset keeps what belongs to the PCI function: MSI-X. */
  #afterReset(): void {
    Object.assign(this.#selectors, freshSelectors(this.#core.queueCount));
    this.#isr = 0;
    this.#drivePin();
  }

  #raise(cause: number, vector: number): void {
    if (this.#msix.enabled) {
      this.#msix.fire(vector);
      return;
    }
    this.#isr |= cause;
    this.#drivePin();
  }

  #drivePin(): void {
    this.#intx.set(this.#isr !== 0 && !this.#msix.enabled);
  }

  /** "Reading this register clears it and lowers the wire." */
  #takeIsr(): number {
    const isr = this.#isr;
    this.#isr = 0;
    this.#drivePin();
    return isr;
  }

  #structures(): IoRegion {
    const { config } = this.#core.model;
    return {
      name: this.name,
      length: STRUCTURES_LENGTH,
      read: (offset: number, size: AccessSize): number => {
        const at = offset % STRUCTURE_LENGTH;
        switch (offset - at) {
          case COMMON_AT:
            return this.#common.read(at, size);
          case ISR_AT:
            return at === 0 ? this.#takeIsr() : 0;
          case DEVICE_AT:
            return readModelConfig(config, at, size);
          default:
            return 0;
        }
      },
      write: (offset: number, size: AccessSize, value: number): void => {
        const at = offset % STRUCTURE_LENGTH;
        if (offset - at === COMMON_AT) this.#common.write(at, size, value);
        else if (offset - at === DEVICE_AT) writeModelConfig(config, at, size, value);
        else if (offset - at === NOTIFY_AT) this.#core.notify(Math.floor(at / NOTIFY_OFF_MULTIPLIER));
      },
    };
  }

  #msixWindow(): IoRegion {
    const { table, pendingBits } = this.#msix;
    return {
      name: `${this.name}-msix`,
      length: MSIX_LENGTH,
      read: (offset, size) =>
        offset < MSIX_PENDING_AT ? table.read(offset, size) : pendingBits.read(offset - MSIX_PENDING_AT, size),
      write(offset: number, size: AccessSize, value: number): void {
        if (offset < MSIX_PENDING_AT) table.write(offset, size, value);
      },
    };
  }
}

function freshSelectors(queues: number): PciSelectors {
  return {
    featuresSelect: 0,
    driverFeaturesSelect: 0,
    queueSelect: 0,
    configVector: NO_VECTOR,
    queueVectors: new Array<number>(queues).fill(NO_VECTOR),
  };
}

function stateFieldOf<S>(core: VirtioCore<S>, msix: MsixTable): StateField<VirtioPciState<S>> {
  return recordField<VirtioPciState<S>>({
    featuresSelect: u32Field,
    driverFeaturesSelect: u32Field,
    queueSelect: u16Field,
    configVector: u16Field,
    queueVectors: listField(u16Field, core.queueCount),
    isr: u8Field,
    msixControl: u16Field,
    msix: msix.stateField,
    core: core.stateField,
  });
}

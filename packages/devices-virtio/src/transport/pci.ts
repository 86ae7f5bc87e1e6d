import {
  type AccessSize,
  type Device,
  type GuestMemory,
  type IoRegion,
  type IrqLine,
  listField,
  recordField,
  type StateField,
  u8Field,
  u16Field,
  u32Field,
} from "@tsvm/contracts";
import type { VirtioModel } from "../device/model.ts";
import { type CoreState, VirtioCore } from "../device/virtio-core.ts";
import { readModelConfig, writeModelConfig } from "./config-window.ts";
import { createCommonConfig, NO_VECTOR, type PciSelectors } from "./pci-common-config.ts";
import { hasLegacyForm, identify, type VirtioPciIdentity } from "./pci-identity.ts";
import {
  accessCapability,
  COMMON_AT,
  DEVICE_AT,
  ISR_AT,
  LEGACY_BAR,
  MSIX_BAR,
  NOTIFY_AT,
  NOTIFY_OFF_MULTIPLIER,
  STRUCTURE_LENGTH,
  STRUCTURES_BAR,
  STRUCTURES_LENGTH,
  structureCapabilities,
  type VirtioPciCapability,
} from "./pci-layout.ts";
import { createLegacyWindow } from "./pci-legacy.ts";

const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

/** What the PCI function in front of the device does for it. */
export interface VirtioPciPort {
  /** The interrupt pin: used while messages are off. */
  readonly interrupt: IrqLine;
  /** MSI-X is on. */
  readonly sendsMessages: boolean;
  /** Sends message `vector`; numbers out of range (0xffff: no vector) are dropped. */
  signal(vector: number): void;
}

export interface VirtioPciOptions<S> {
  readonly model: VirtioModel<S>;
  readonly memory: GuestMemory;
  readonly port: VirtioPciPort;
  /** Also for drivers older than virtio 1.0. Default true, where the kind of device is as old as they are. */
  readonly legacy?: boolean;
  /** Default: the model's name. */
  readonly name?: string;
}

/** What makes a PCI function this device: the board hands it to its PCI function. */
export interface VirtioPciFace {
  readonly identity: VirtioPciIdentity;
  readonly bars: readonly {
    readonly index: number;
    readonly kind: "io" | "memory64";
    readonly prefetchable?: boolean;
    readonly region: IoRegion;
  }[];
  readonly capabilities: readonly VirtioPciCapability[];
  /** One vector for each queue and one for changes of the configuration, in a BAR of their own. */
  readonly msix: { readonly vectors: number; readonly bar: number };
  readonly pin: 1;
}

export interface VirtioPciState<S> {
  featuresSelect: number;
  driverFeaturesSelect: number;
  queueSelect: number;
  configVector: number;
  queueVectors: number[];
  isr: number;
  core: CoreState<S>;
}

/**
 * A virtio device on PCI: virtio 1.2, "Virtio Over PCI Bus". Configuration space, BARs and MSI-X belong to the PCI function
 * in front of it, which is made from `face`. Region 0 holds the four structures; region 1, if there is one, the legacy
 * interface.
 */
export interface VirtioPci<S = unknown> extends Device<VirtioPciState<S>> {
  readonly face: VirtioPciFace;
}

export function createVirtioPci<S>(options: VirtioPciOptions<S>): VirtioPci<S> {
  return new VirtioPciDevice(options);
}

class VirtioPciDevice<S> implements VirtioPci<S> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly face: VirtioPciFace;
  readonly #core: VirtioCore<S>;
  readonly #port: VirtioPciPort;
  readonly #common: IoRegion;
  readonly #stateField: StateField<VirtioPciState<S>>;
  readonly #selectors: PciSelectors;
  readonly #vectors: number;
  #isr = 0;

  constructor({ model, memory, port, legacy = true, name = model.name }: VirtioPciOptions<S>) {
    this.name = name;
    this.#port = port;
    this.#core = new VirtioCore(model, memory, {
      queue: (index) => this.#raise(ISR_QUEUE, this.#selectors.queueVectors[index] ?? NO_VECTOR),
      config: () => this.#raise(ISR_CONFIG, this.#selectors.configVector),
    });
    const queues = this.#core.queueCount;
    this.#vectors = queues + 1;
    this.#selectors = freshSelectors(queues);
    this.#common = createCommonConfig(name, this.#core, this.#selectors, this.#vectors, () => this.#afterReset());
    this.#stateField = stateFieldOf(this.#core);
    const transitional = legacy && hasLegacyForm(model);
    this.regions = transitional ? [this.#structures(), this.#legacyWindow()] : [this.#structures()];
    this.face = this.#createFace(identify(model, transitional));
  }

  reset(): void {
    this.#core.reset();
    this.#afterReset();
  }

  save(): VirtioPciState<S> {
    return {
      ...this.#selectors,
      queueVectors: [...this.#selectors.queueVectors],
      isr: this.#isr,
      core: this.#core.save(),
    };
  }

  restore(untrusted: VirtioPciState<S>): void {
    const { isr, core, ...selectors } = this.#stateField(untrusted, this.name);
    Object.assign(this.#selectors, selectors);
    // Before the core, which may go on with work at once and raise more.
    this.#isr = isr;
    this.#drivePin();
    this.#core.restore(core);
  }

  #createFace(identity: VirtioPciIdentity): VirtioPciFace {
    const [structures, legacy] = this.regions as readonly [IoRegion, IoRegion | undefined];
    const { config } = this.#core.model;
    return {
      identity,
      bars: [
        { index: STRUCTURES_BAR, kind: "memory64", prefetchable: true, region: structures },
        ...(legacy === undefined ? [] : [{ index: LEGACY_BAR, kind: "io", region: legacy } as const]),
      ],
      capabilities: [...structureCapabilities(this.#core.queueCount, config.length), accessCapability(structures)],
      msix: { vectors: this.#vectors, bar: MSIX_BAR },
      pin: 1,
    };
  }

  /** The driver's own reset keeps what belongs to the PCI function: MSI-X. */
  #afterReset(): void {
    Object.assign(this.#selectors, freshSelectors(this.#core.queueCount));
    this.#isr = 0;
    this.#drivePin();
  }

  #raise(cause: number, vector: number): void {
    if (this.#port.sendsMessages) {
      this.#port.signal(vector);
      return;
    }
    this.#isr |= cause;
    this.#drivePin();
  }

  #drivePin(): void {
    this.#port.interrupt.set(this.#isr !== 0);
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

  #legacyWindow(): IoRegion {
    return createLegacyWindow({
      name: this.name,
      core: this.#core,
      selectors: this.#selectors,
      vectors: this.#vectors,
      messagesOn: () => this.#port.sendsMessages,
      takeIsr: () => this.#takeIsr(),
      onReset: () => this.#afterReset(),
    });
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

function stateFieldOf<S>(core: VirtioCore<S>): StateField<VirtioPciState<S>> {
  return recordField<VirtioPciState<S>>({
    featuresSelect: u32Field,
    driverFeaturesSelect: u32Field,
    queueSelect: u16Field,
    configVector: u16Field,
    queueVectors: listField(u16Field, core.queueCount),
    isr: u8Field,
    core: core.stateField,
  });
}

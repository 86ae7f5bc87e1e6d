import { type AccessSize, type IoRegion, mergeIntoDword, partOfDword } from "@tsvm/contracts";
import type { VirtioCore } from "../device/virtio-core.ts";
import { readModelConfig, writeModelConfig } from "./config-window.ts";
import { NO_VECTOR, type PciSelectors } from "./pci-common-config.ts";

/** Virtio 1.2, "Legacy Interfaces: A Note on PCI Device Layout": offsets; what is not said to be narrower has 32 bits. */
const DEVICE_FEATURES = 0;
const DRIVER_FEATURES = 4;
const QUEUE_ADDRESS = 8;
/** 16 bits each. */
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const QUEUE_NOTIFY = 16;
/** 8 bits each. */
const DEVICE_STATUS = 18;
const ISR_STATUS = 19;
/** 16 bits each, and only while MSI-X is on; otherwise the device's configuration begins here. */
const CONFIG_MSIX_VECTOR = 20;
const QUEUE_MSIX_VECTOR = 22;
const VECTORS_LENGTH = 4;

export interface LegacyWindowOptions<S> {
  readonly name: string;
  readonly core: VirtioCore<S>;
  readonly selectors: PciSelectors;
  readonly vectors: number;
  readonly messagesOn: () => boolean;
  /** The interrupt status, which reading clears. */
  readonly takeIsr: () => number;
  /** The driver wrote 0 to the status. */
  readonly onReset: () => void;
}

/** The registers by which drivers older than virtio 1.0 use a transitional device: one window of ports. */
export function createLegacyWindow<S>(options: LegacyWindowOptions<S>): IoRegion {
  const { core, selectors, vectors, messagesOn } = options;
  const configAt = (): number => CONFIG_MSIX_VECTOR + (messagesOn() ? VECTORS_LENGTH : 0);
  const vectorOrNone = (vector: number): number => (vector < vectors ? vector : NO_VECTOR);

  function dword(offset: number): number {
    const queue = selectors.queueSelect;
    switch (offset) {
      case DEVICE_FEATURES:
        return core.legacyFeatures;
      case DRIVER_FEATURES:
        return core.acceptedWord(0);
      case QUEUE_ADDRESS:
        return core.legacyQueuePage(queue);
      case QUEUE_SIZE:
        return core.queueMaxSize(queue) | (queue << 16);
      case QUEUE_NOTIFY:
        return core.status << 16;
      default:
        return selectors.configVector | ((selectors.queueVectors[queue] ?? NO_VECTOR) << 16);
    }
  }

  function writeHalf(offset: number, value: number): void {
    if (offset === QUEUE_SELECT) selectors.queueSelect = value;
    else if (offset === QUEUE_NOTIFY) core.notify(value);
    else if (offset === CONFIG_MSIX_VECTOR) selectors.configVector = vectorOrNone(value);
    else if (offset === QUEUE_MSIX_VECTOR && core.queueRegisters(selectors.queueSelect) !== undefined) {
      selectors.queueVectors[selectors.queueSelect] = vectorOrNone(value);
    }
  }

  function writeStatus(value: number): void {
    core.writeLegacyStatus(value);
    if (core.status === 0) options.onReset();
  }

  function write(offset: number, size: AccessSize, value: number): void {
    const aligned = offset & ~3;
    const whole = (): number => mergeIntoDword(dword(aligned), offset, size, value);
    if (aligned === DRIVER_FEATURES) core.acceptLegacy(whole());
    else if (aligned === QUEUE_ADDRESS) core.setLegacyQueuePage(selectors.queueSelect, whole());
    else if (offset === DEVICE_STATUS) writeStatus(value & 0xff);
    else if (size > 1) writeHalf(offset, value & 0xffff);
  }

  return {
    name: `${options.name}-legacy`,
    length: CONFIG_MSIX_VECTOR + VECTORS_LENGTH + core.model.config.length,
    read(offset: number, size: AccessSize): number {
      const config = configAt();
      if (offset >= config) return readModelConfig(core.model.config, offset - config, size);
      if (offset === ISR_STATUS) return options.takeIsr();
      return partOfDword(dword(offset & ~3) >>> 0, offset, size);
    },
    write(offset: number, size: AccessSize, value: number): void {
      const config = configAt();
      if (offset >= config) writeModelConfig(core.model.config, offset - config, size, value);
      else write(offset, size, value);
    },
  };
}

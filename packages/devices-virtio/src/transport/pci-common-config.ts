import { type AccessSize, type IoRegion, mergeIntoDword, partOfDword } from "@tsvm/contracts";
import type { QueueRegisters } from "../device/queue-slot.ts";
import type { VirtioCore } from "../device/virtio-core.ts";

/** Virtio 1.2, "Common configuration structure layout": offsets of its dwords; two 16-bit or four 8-bit fields share some. */
const DEVICE_FEATURE_SELECT = 0;
const DEVICE_FEATURE = 4;
const DRIVER_FEATURE_SELECT = 8;
const DRIVER_FEATURE = 12;
const CONFIG_MSIX_VECTOR = 16;
const DEVICE_STATUS = 20;
const QUEUE_SELECT = 22;
const QUEUE_SIZE = 24;
const QUEUE_MSIX_VECTOR = 26;
const QUEUE_ENABLE = 28;
const QUEUE_DESC = 32;
const QUEUE_DEVICE_HIGH = 52;
/** The upper half of the dword at 56; the lower one belongs to a feature that is not offered. */
const QUEUE_RESET = 58;
const COMMON_LENGTH = 60;

/** What a vector register says when there is none, or not so many. */
export const NO_VECTOR = 0xffff;

/** The address registers, a dword each, from QUEUE_DESC on. */
const ADDRESSES: readonly Exclude<keyof QueueRegisters, "ready">[] = [
  "descriptorsLow",
  "descriptorsHigh",
  "driverLow",
  "driverHigh",
  "deviceLow",
  "deviceHigh",
];

/** The registers that only PCI has. */
export interface PciSelectors {
  featuresSelect: number;
  driverFeaturesSelect: number;
  queueSelect: number;
  configVector: number;
  queueVectors: number[];
}

/**
 * The common configuration structure. Reads of any size answer; writes take effect on the fields they reach, so that a
 * driver may write a dword over two fields. `onReset`: the driver wrote 0 to the status.
 */
export function createCommonConfig<S>(
  name: string,
  core: VirtioCore<S>,
  selectors: PciSelectors,
  vectors: number,
  onReset: () => void,
): IoRegion {
  const selected = (): number => selectors.queueSelect;
  const vectorOrNone = (vector: number): number => (vector < vectors ? vector : NO_VECTOR);

  function dword(offset: number): number {
    const queue = core.queueRegisters(selected());
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return selectors.featuresSelect;
      case DEVICE_FEATURE:
        return core.offeredWord(selectors.featuresSelect);
      case DRIVER_FEATURE_SELECT:
        return selectors.driverFeaturesSelect;
      case DRIVER_FEATURE:
        return core.acceptedWord(selectors.driverFeaturesSelect);
      case CONFIG_MSIX_VECTOR:
        return pair(selectors.configVector, core.queueCount);
      case DEVICE_STATUS:
        return pair(core.status | (core.generation << 8), selectors.queueSelect);
      case QUEUE_SIZE:
        return pair(queue?.size ?? 0, selectors.queueVectors[selected()] ?? NO_VECTOR);
      case QUEUE_ENABLE:
        // queue_notify_off stands above: each queue has its own place.
        return pair(queue?.ready ? 1 : 0, queue === undefined ? 0 : selected());
      default: {
        const address = ADDRESSES[(offset - QUEUE_DESC) / 4];
        return address === undefined || queue === undefined ? 0 : queue[address];
      }
    }
  }

  function writeHalf(offset: number, value: number): void {
    switch (offset) {
      case CONFIG_MSIX_VECTOR:
        selectors.configVector = vectorOrNone(value);
        return;
      case QUEUE_SELECT:
        selectors.queueSelect = value;
        return;
      case QUEUE_SIZE:
        return core.setQueueRegister(selected(), "size", value);
      case QUEUE_MSIX_VECTOR:
        if (core.queueRegisters(selected()) !== undefined) selectors.queueVectors[selected()] = vectorOrNone(value);
        return;
      case QUEUE_ENABLE:
        // Writing 0 is forbidden: only a reset disables a queue.
        if (value === 1) core.setQueueReady(selected(), true);
        return;
      case QUEUE_RESET:
        // Done at once: the register never reads as 1.
        if (value === 1) core.resetQueue(selected());
    }
  }

  function writeStatus(value: number): void {
    core.status = value & 0xff;
    if (core.status === 0) onReset();
  }

  function writeDword(offset: number, value: number): void {
    if (offset === DEVICE_FEATURE_SELECT) selectors.featuresSelect = value;
    else if (offset === DRIVER_FEATURE_SELECT) selectors.driverFeaturesSelect = value;
    else if (offset === DRIVER_FEATURE) core.acceptWord(selectors.driverFeaturesSelect, value);
    else if (offset >= QUEUE_DESC && offset <= QUEUE_DEVICE_HIGH) {
      core.setQueueRegister(selected(), ADDRESSES[(offset - QUEUE_DESC) / 4] as "deviceHigh", value);
    }
  }

  const isWide = (offset: number): boolean =>
    offset < CONFIG_MSIX_VECTOR || (offset >= QUEUE_DESC && offset <= QUEUE_DEVICE_HIGH);

  return {
    name: `${name}-common`,
    length: COMMON_LENGTH,
    read(offset: number, size: AccessSize): number {
      return offset < COMMON_LENGTH ? partOfDword(dword(offset & ~3), offset, size) : 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      const aligned = offset & ~3;
      if (offset >= COMMON_LENGTH) return;
      if (isWide(aligned)) return writeDword(aligned, mergeIntoDword(dword(aligned), offset, size, value));
      if (offset === DEVICE_STATUS) writeStatus(value);
      if (size > 1 && offset !== DEVICE_STATUS) writeHalf(offset, value & 0xffff);
      if (size === 4) writeHalf(offset + 2, value >>> 16);
    },
  };
}

/** Two 16-bit fields as one dword. */
function pair(low: number, high: number): number {
  return (low | (high << 16)) >>> 0;
}

import {
  booleanField,
  type Gpa,
  optionalField,
  recordField,
  type StateField,
  u16Field,
  u32Field,
} from "@tsvm/contracts";
import { createInOrderQueue } from "../queue/in-order-queue.ts";
import { createPackedQueue } from "../queue/packed-queue.ts";
import { createSplitQueue } from "../queue/split-queue.ts";
import { type Virtqueue, type VirtqueueOptions, type VirtqueueState, virtqueueField } from "../queue/virtqueue.ts";

/** The registers by which a driver sets up one queue: addresses in 32-bit halves, as both transports write them. */
export interface QueueRegisters {
  size: number;
  ready: boolean;
  descriptorsLow: number;
  descriptorsHigh: number;
  driverLow: number;
  driverHigh: number;
  deviceLow: number;
  deviceHigh: number;
}

export interface QueueState extends QueueRegisters {
  ring: VirtqueueState | undefined;
}

export const queueField: StateField<QueueState> = recordField<QueueState>({
  size: u16Field,
  ready: booleanField,
  descriptorsLow: u32Field,
  descriptorsHigh: u32Field,
  driverLow: u32Field,
  driverHigh: u32Field,
  deviceLow: u32Field,
  deviceHigh: u32Field,
  ring: optionalField(virtqueueField),
});

export function freshQueueRegisters(maxSize: number): QueueRegisters {
  return {
    size: maxSize,
    ready: false,
    descriptorsLow: 0,
    descriptorsHigh: 0,
    driverLow: 0,
    driverHigh: 0,
    deviceLow: 0,
    deviceHigh: 0,
  };
}

/** Bytes by which drivers older than virtio 1.0 place and align their rings. */
export const LEGACY_PAGE = 4096;

/** A queue from page `page` on: descriptors, available ring, and on the next page the used ring. It is not ready yet. */
export function legacyQueueRegisters(size: number, page: number): QueueRegisters {
  const descriptors = page * LEGACY_PAGE;
  const driver = descriptors + 16 * size;
  // Flags, index, entries, used_event.
  const device = Math.ceil((driver + 6 + 2 * size) / LEGACY_PAGE) * LEGACY_PAGE;
  const halves = (gpa: Gpa): readonly [number, number] => [gpa % 2 ** 32, Math.floor(gpa / 2 ** 32)];
  const [[descriptorsLow, descriptorsHigh], [driverLow, driverHigh], [deviceLow, deviceHigh]] = [
    halves(descriptors),
    halves(driver),
    halves(device),
  ] as const;
  return {
    size,
    ready: false,
    descriptorsLow,
    descriptorsHigh,
    driverLow,
    driverHigh,
    deviceLow,
    deviceHigh,
  };
}

const gpaOf = (high: number, low: number): Gpa => high * 2 ** 32 + low;

/** The queue that `registers` describe; undefined if its size or place is against the rules. */
export function openQueue(
  registers: QueueRegisters,
  maxSize: number,
  packed: boolean,
  rest: Pick<VirtqueueOptions, "access" | "eventIndex" | "indirect" | "inOrder" | "onBroken">,
): Virtqueue | undefined {
  const { size } = registers;
  const descriptors = gpaOf(registers.descriptorsHigh, registers.descriptorsLow);
  const driver = gpaOf(registers.driverHigh, registers.driverLow);
  const device = gpaOf(registers.deviceHigh, registers.deviceLow);
  const fits = size > 0 && size <= maxSize && (packed || (size & (size - 1)) === 0);
  // Virtio 1.2, "Split Virtqueues" and "Structure Size and Alignment" of packed ones.
  const aligned = descriptors % 16 === 0 && driver % (packed ? 4 : 2) === 0 && device % 4 === 0;
  const reachable = Math.max(descriptors, driver, device) < 2 ** 52;
  if (!fits || !aligned || !reachable) return undefined;
  const options = { ...rest, size, descriptors, driver, device };
  const queue = packed ? createPackedQueue(options) : createSplitQueue(options);
  return options.inOrder ? createInOrderQueue(queue) : queue;
}

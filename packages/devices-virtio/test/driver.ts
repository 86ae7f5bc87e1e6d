import type { IoRegion } from "@tsvm/contracts";
import { createFakeMemory, createProbeLine, type FakeMemory, type ProbeLine } from "@tsvm-testing/fakes";
import { createVirtioMmio, type VirtioModel } from "../src/index.ts";
import {
  type Allocator,
  createAllocator,
  createPackedDriver,
  createSplitDriver,
  type DriverQueue,
} from "./driver-queue.ts";

const RAM_LENGTH = 0x40_0000;

export interface DriverOptions {
  readonly packed?: boolean;
  readonly eventIndex?: boolean;
  readonly inOrder?: boolean;
  readonly queueSize?: number;
  readonly ramLength?: number;
  /** Features of the kind of device that the driver does not know. */
  readonly decline?: number;
}

/** A device on the MMIO transport, with a driver that has come as far as DRIVER_OK. */
export interface DrivenDevice {
  readonly memory: FakeMemory;
  readonly allocator: Allocator;
  readonly irq: ProbeLine;
  readonly device: ReturnType<typeof createVirtioMmio>;
  readonly window: IoRegion;
  readonly queues: readonly DriverQueue[];
  kick(queue: number): void;
  readonly status: number;
  config32(offset: number): number;
}

const VERSION_1 = 1;
const PACKED = 4;
const IN_ORDER = 8;
const INDIRECT_AND_EVENT = 0x3000_0000;
const INDIRECT_ONLY = 0x1000_0000;

/** Where a driver works: a device's registers and the RAM between them. */
export interface DriverGround {
  readonly window: IoRegion;
  readonly memory: FakeMemory;
  readonly allocator: Allocator;
}

/** The initialization sequence of virtio 1.2, "Device Initialization", over the registers of MMIO; answers the queues. */
export function startDriver(
  { window, memory, allocator }: DriverGround,
  queueCount: number,
  options: DriverOptions = {},
): readonly DriverQueue[] {
  const { packed = false, eventIndex = false, inOrder = false, queueSize = 8, decline = 0 } = options;
  const write = (offset: number, value: number): void => window.write(offset, 4, value);
  write(0x70, 1);
  write(0x70, 3);
  write(0x14, 0);
  const kind = window.read(0x10, 4) & 0x00ff_ffff & ~decline;
  write(0x24, 0);
  write(0x20, (kind | (eventIndex ? INDIRECT_AND_EVENT : INDIRECT_ONLY)) >>> 0);
  write(0x24, 1);
  write(0x20, VERSION_1 | (packed ? PACKED : 0) | (inOrder ? IN_ORDER : 0));
  write(0x70, 11);
  const queues = Array.from({ length: queueCount }, (_, index) => {
    const make = packed ? createPackedDriver : createSplitDriver;
    const queue = make(memory, allocator, queueSize);
    write(0x30, index);
    write(0x38, queueSize);
    write(0x80, queue.descriptors);
    write(0x90, queue.driver);
    write(0xa0, queue.device);
    write(0x44, 1);
    return queue;
  });
  write(0x70, 15);
  return queues;
}

/** `model` on the MMIO transport, with a driver at work. */
export function drive<S>(model: VirtioModel<S>, options: DriverOptions = {}): DrivenDevice {
  const memory = createFakeMemory(options.ramLength ?? RAM_LENGTH);
  const allocator = createAllocator(0x1000);
  const irq = createProbeLine();
  const device = createVirtioMmio({ model, memory, irq }) as ReturnType<typeof createVirtioMmio>;
  const window = device.regions[0] as IoRegion;
  const queues = startDriver({ window, memory, allocator }, model.queueSizes.length, options);
  return {
    memory,
    allocator,
    irq,
    device,
    window,
    queues,
    kick: (queue) => window.write(0x50, 4, queue),
    get status() {
      return window.read(0x70, 4);
    },
    config32: (offset) => window.read(0x100 + offset, 4),
  };
}

/** Lets promises of the backend come through. */
export async function settle(turns = 4): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

import type { AccessSize, IoRegion } from "@tsvm/contracts";
import {
  createFakeChardev,
  createFakeMemory,
  createProbeLine,
  createRandom,
  type FakeChardev,
  type FuzzCounts,
} from "@tsvm-testing/fakes";
import {
  createVirtioBalloon,
  createVirtioBlock,
  createVirtioMmio,
  createVirtioRng,
  createVirtioSerial,
  type VirtioModel,
} from "../src/index.ts";
import { createTestDisk } from "../test/disk.ts";
import { settle, startDriver } from "../test/driver.ts";
import { createAllocator, type DriverQueue } from "../test/driver-queue.ts";

const RAM_LENGTH = 0x1_0000;
/** Rings and buffers of the hostile driver begin here; the honest one's lie below. */
const GROUND = 0x4000;
const STEPS = 500;
const STATUS = 0x70;
const NOTIFY = 0x50;
const NEEDS_RESET = 64;
const INTERRUPT_ACK = 0x64;
/** Buffers are never freed: the driver begins anew before RAM is full. */
const REQUESTS_BEFORE_RESTART = 30;

type Random = () => number;

/** A kind of device, what the host does to it meanwhile, and an honest request that it must serve afterwards. */
interface Target {
  readonly model: VirtioModel;
  readonly disturb: (random: Random) => void;
  /** Queue, readable and writable part of the request. */
  readonly honest: readonly [number, readonly Uint8Array[], readonly number[]];
}

const TARGETS: readonly (() => Target)[] = [blockTarget, serialTarget, rngTarget, balloonTarget];

function blockTarget(): Target {
  const disk = createTestDisk(64);
  return {
    model: createVirtioBlock({ backend: disk, queues: 2 }),
    disturb: (random) => {
      disk.failing = random() % 4 === 0;
    },
    honest: [0, [new Uint8Array(16)], [512, 1]],
  };
}

function serialTarget(): Target {
  const chardevs = [createFakeChardev(), createFakeChardev()] as const;
  const model = createVirtioSerial({
    ports: [
      { kind: "console", chardev: chardevs[0] },
      { chardev: chardevs[1], name: "p" },
    ],
  });
  return {
    model,
    disturb(random) {
      const chardev = chardevs[random() % 2] as FakeChardev;
      if (chardev.waiting.length < 1000) chardev.feed("x".repeat(random() % 50));
      if (random() % 4 === 0) model.setConnected(random() % 3, random() % 2 === 0);
      if (random() % 4 === 0) model.resize(0, { columns: 1 + (random() % 99), rows: 5 });
    },
    honest: [1, [new Uint8Array(3)], []],
  };
}

function rngTarget(): Target {
  return { model: createVirtioRng({ random: () => 7 }), disturb: () => {}, honest: [0, [], [4]] };
}

function balloonTarget(): Target {
  const model = createVirtioBalloon({ freePageReporting: true });
  return {
    model,
    disturb(random) {
      if (random() % 2 === 0) model.setTarget(random() % 1000);
      else model.requestStatistics();
    },
    honest: [0, [new Uint8Array(8)], []],
  };
}

const GPAS = [0, 8, GROUND, RAM_LENGTH - 8, RAM_LENGTH, 0x7fff_f000, 0xffff_ffff, 2 ** 52 - 4, 2 ** 60, 2 ** 64 - 4096];
const LENGTHS = [0, 1, 2, 8, 15, 16, 17, 32, 160, 512, 513, 4096, 0x1_0000, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff];
const SIZES: readonly AccessSize[] = [1, 2, 4];

/**
 * A driver that means harm. Rings are set up as they should be; then descriptors, indices, registers and the rings' own
 * memory get values that are nearly right or absurd: loops, chains over each other and over the rings, places outside
 * RAM, lengths up to 4 GiB. Whatever it does, nothing may be thrown, and after a reset the device must serve an honest
 * driver.
 */
export async function fuzzVirtqueues(seed: number): Promise<FuzzCounts> {
  const random = createRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[random() % from.length] as T;
  const { model, disturb, honest } = pick(TARGETS)();
  const memory = createFakeMemory(RAM_LENGTH);
  const irq = createProbeLine();
  const device = createVirtioMmio({ model, memory, irq });
  const window = device.regions[0] as IoRegion;
  const view = new DataView(memory.bytes.buffer);
  const packed = random() % 2 === 0;
  const options = {
    packed,
    eventIndex: random() % 2 === 0,
    inOrder: random() % 2 === 0,
    queueSize: pick([1, 2, 4, 8, 64]),
  };
  /** Rings begin empty, as a driver has them. */
  const start = (base: number, more: typeof options): readonly DriverQueue[] => {
    memory.bytes.fill(0);
    return startDriver({ window, memory, allocator: createAllocator(base) }, model.queueSizes.length, more);
  };
  let queues = start(GROUND, options);

  /** One of the places that matter in a queue, or anywhere. */
  const somewhere = (queue: DriverQueue): number => {
    const near = pick([queue.descriptors, queue.driver, queue.device, GROUND]) + (random() % 64);
    return random() % 3 === 0 ? pick(GPAS) : near;
  };
  const writeDescriptor = (queue: DriverQueue, at: number): void => {
    view.setBigUint64(at, BigInt(somewhere(queue)), true);
    view.setUint32(at + 8, random() % 6 === 0 ? pick(LENGTHS) : pick([16, 16, 1, 8, 513]), true);
    const flags = random() & pick([1, 2, 3, 4, 7]);
    const place = random() % (queue.size + (random() % 16 === 0 ? 2 : 0));
    view.setUint16(at + 12, packed ? place : flags, true);
    view.setUint16(at + 14, packed ? flags | pick([0x80, 0x80, 0x8000, 0, 0x8080]) : place, true);
  };
  const scribble = (queue: DriverQueue): void => {
    writeDescriptor(queue, queue.descriptors + 16 * (random() % queue.size));
    if (random() % 4 === 0) writeDescriptor(queue, GROUND + 0x6000 + 16 * (random() % 64));
    if (packed) return;
    view.setUint16(queue.driver + 4 + 2 * (random() % queue.size), random() % (queue.size + 1), true);
    const idx = view.getUint16(queue.driver + 2, true);
    view.setUint16(queue.driver + 2, random() % 16 === 0 ? random() : idx + (random() % 3), true);
  };
  const touchRegister = (): void => {
    const offset = random() % 4 === 0 ? random() % 0x208 : 4 * (random() % 0x44);
    const size = pick(SIZES);
    const keepGoing = offset === STATUS && random() % 8 !== 0;
    if (random() % 2 === 0 || keepGoing) checkRead(window, offset, size);
    else window.write(offset, size, pick([0, 1, 2, 0xf, random(), 0xffff_ffff]) % 2 ** (8 * size));
  };

  /** What a driver would ask, or the like of it with lengths that nobody asks for. */
  const request = (queue: DriverQueue): void => {
    const [, readable, writable] = honest;
    const other = random() % 4 === 0;
    const parts = other ? [new Uint8Array(pick([1, 8, 16, 40]))] : readable;
    queue.submit(parts, other ? [pick([1, 21, 513])] : writable, random() % 4 === 0);
  };

  const malice = pick([1, 3, 10, 30]);
  let stops = 0;
  let requests = 0;
  for (let step = 0; step < STEPS; step++) {
    const index = random() % queues.length;
    const queue = queues[index] as DriverQueue;
    if (random() % malice === 0) scribble(queue);
    else if (++requests % REQUESTS_BEFORE_RESTART !== 0) request(queue);
    if (random() % (4 * malice) === 0) touchRegister();
    if (random() % 8 === 0) disturb(random);
    window.write(NOTIFY, 4, random() % 16 === 0 ? random() : index);
    if (random() % 16 === 0) await settle(1);
    if (random() % 64 === 0) device.restore(structuredClone(device.save()));
    window.write(INTERRUPT_ACK, 4, 3);
    const broken = (window.read(STATUS, 4) & NEEDS_RESET) !== 0;
    if (broken) stops++;
    if (broken || requests % REQUESTS_BEFORE_RESTART === 0) {
      window.write(STATUS, 4, 0);
      queues = start(GROUND, options);
      requests = 1;
    }
  }
  await serveHonestly(window, start, honest);
  // A ring or register, notification, acknowledge, status.
  return { accesses: 4 * STEPS, stops, answers: irq.rises - stops };
}

function checkRead(window: IoRegion, offset: number, size: AccessSize): void {
  const value = window.read(offset, size);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size))
    throw new Error(`read(${offset}, ${size}) gave ${value}`);
}

/** After everything: a driver that keeps the rules gets its answer. */
async function serveHonestly(
  window: IoRegion,
  start: (
    base: number,
    options: { packed: boolean; eventIndex: boolean; inOrder: boolean; queueSize: number },
  ) => readonly DriverQueue[],
  [index, readable, writable]: Target["honest"],
): Promise<void> {
  window.write(STATUS, 4, 0);
  // Requests of the hostile driver that the backend still works on must not disturb the next one.
  await settle(2);
  const queues = start(0x100, { packed: false, eventIndex: false, inOrder: false, queueSize: 4 });
  const queue = queues[index] as DriverQueue;
  queue.submit(readable, writable);
  window.write(NOTIFY, 4, index);
  await settle(4);
  if ((window.read(STATUS, 4) & NEEDS_RESET) !== 0 || queue.collect().length !== 1) {
    throw new Error("an honest driver is not served after a reset");
  }
}

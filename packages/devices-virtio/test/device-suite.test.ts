// Every kind of device on every transport keeps the contract of devices: from power-on, and with a driver at work.
import type { IoRegion } from "@tsvm/contracts";
import { createFakeChardev, createFakeMemory, createProbeLine, type FakeMemory, testDevice } from "@tsvm-testing/fakes";
import {
  createVirtioBalloon,
  createVirtioBlock,
  createVirtioMmio,
  createVirtioPci,
  createVirtioRng,
  createVirtioSerial,
  type VirtioModel,
} from "../src/index.ts";
import { createTestDisk } from "./disk.ts";
import { startDriver } from "./driver.ts";
import { createAllocator } from "./driver-queue.ts";

const RAM_LENGTH = 0x8000;

const MODELS: Readonly<Record<string, () => VirtioModel>> = {
  block: () => createVirtioBlock({ backend: createTestDisk(64), queues: 2 }),
  serial: () =>
    createVirtioSerial({
      ports: [{ kind: "console", chardev: createFakeChardev() }, { chardev: createFakeChardev() }],
    }),
  rng: () => createVirtioRng({ random: () => 7 }),
  balloon: () => createVirtioBalloon({ freePageReporting: true }),
};

/** Makes the rings hold something else: descriptors of small numbers, available entries, event indices. */
function scribble({ bytes }: FakeMemory, random: () => number): void {
  for (let i = 0; i < 64; i++) {
    const at = 0x1000 + (random() % (RAM_LENGTH - 0x1000));
    bytes[at] = [0, 1, 2, 3, random(), random()][random() % 6] as number;
  }
}

for (const [name, create] of Object.entries(MODELS)) {
  const onMmio = () => {
    const memory = createFakeMemory(RAM_LENGTH);
    const irq = createProbeLine();
    const model = create();
    const device = createVirtioMmio({ model, memory, irq });
    return { model, memory, device, outputs: [irq] };
  };

  testDevice(`${name} over MMIO`, onMmio);

  for (const packed of [false, true]) {
    testDevice(
      `${name} over MMIO, driven, packed ${packed}`,
      () => {
        const { model, memory, device, outputs } = onMmio();
        const window = device.regions[0] as IoRegion;
        const prepare = (): void =>
          void startDriver({ window, memory, allocator: createAllocator(0x1000) }, model.queueSizes.length, {
            packed,
            inOrder: packed,
          });
        const disturb = (random: () => number): void => {
          scribble(memory, random);
          window.write(0x50, 4, random() % model.queueSizes.length);
        };
        return { device, outputs, prepare, disturb };
      },
      // What it does next hangs on the rings in memory.
      { continuesAlike: false },
    );
  }

  for (const sendsMessages of [false, true]) {
    testDevice(`${name} over PCI, messages ${sendsMessages}`, () => {
      const intx = createProbeLine();
      const port = { interrupt: intx, sendsMessages, signal: (): void => {} };
      const device = createVirtioPci({ model: create(), memory: createFakeMemory(RAM_LENGTH), port });
      return { device, outputs: [intx] };
    });
  }
}

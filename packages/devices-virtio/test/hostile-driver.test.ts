import { createFakeChardev } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import {
  createVirtioBalloon,
  createVirtioBlock,
  createVirtioRng,
  createVirtioSerial,
  type VirtioModel,
} from "../src/index.ts";
import { createTestDisk } from "./disk.ts";
import { drive, settle } from "./driver.ts";

const ROUNDS = 2_000;
const RAM_LENGTH = 0x4000;

/** Numbers from 0 to 2^32 - 1, the same ones every time (xorshift32). */
function createRandom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

const models: Record<string, () => VirtioModel> = {
  block: () => createVirtioBlock({ backend: createTestDisk(64) }),
  console: () =>
    createVirtioSerial({
      ports: [{ kind: "console", chardev: createFakeChardev() }, { chardev: createFakeChardev() }],
    }),
  rng: () => createVirtioRng({ random: createRandom(99) }),
  balloon: () => createVirtioBalloon(),
};

/** Rings and descriptors of small random numbers, so that many are nearly right; the device may stop, never the host. */
it.each(
  Object.entries(models).flatMap(([name, create]) => [
    { name, create, packed: false },
    { name, create, packed: true },
  ]),
)("$name survives random rings, packed $packed", async ({ create, packed }) => {
  const random = createRandom(packed ? 5 : 6);
  let stops = 0;
  let answers = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const driven = drive(create(), { packed, eventIndex: round % 2 === 0, ramLength: RAM_LENGTH });
    const view = new DataView(driven.memory.bytes.buffer);
    const index = random() % driven.queues.length;
    const queue = driven.queues[index];
    if (queue === undefined) throw new Error("no queue");
    const gpaOf = [0x2000, 0x2100, queue.descriptors, queue.device, RAM_LENGTH - 8];
    for (let i = 0; i < queue.size; i++) {
      const at = queue.descriptors + 16 * i;
      view.setBigUint64(at, BigInt(gpaOf[random() % (random() % 8 === 0 ? 5 : 2)] as number), true);
      view.setUint32(at + 8, [1, 16, 16, 512, 0x7fff_ffff][random() % (random() % 8 === 0 ? 5 : 4)] as number, true);
      const flags = random() & (random() % 4 === 0 ? 7 : 3);
      view.setUint16(at + 12, packed ? i : flags, true);
      view.setUint16(at + 14, packed ? flags | 0x80 : random() % 9, true);
      if (!packed) view.setUint16(queue.driver + 4 + 2 * i, random() % 8, true);
    }
    if (!packed) view.setUint16(queue.driver + 2, random() % 10, true);
    for (let i = 0; i < 4; i++) driven.kick(random() % 4);
    if (round % 100 === 0) await settle();
    if ((driven.status & 64) !== 0) stops++;
    if (driven.irq.level) answers++;
  }
  // Both kinds of outcome, or the rings were not of the kind that tests anything.
  expect(stops).toBeGreaterThan(ROUNDS / 100);
  expect(answers).toBeGreaterThan(ROUNDS / 100);
});

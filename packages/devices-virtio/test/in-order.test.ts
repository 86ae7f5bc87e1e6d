import { describe, expect, it } from "vitest";
import { createVirtioBlock } from "../src/index.ts";
import { createTestDisk } from "./disk.ts";
import { drive, settle } from "./driver.ts";

function read(sector: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(8, sector, true);
  return new Uint8Array(view.buffer);
}

/** Three reads under way, none answered by the disk yet. */
async function setUp(options: { readonly packed: boolean; readonly inOrder: boolean }) {
  const disk = createTestDisk(64);
  disk.bytes.forEach((_, i) => {
    disk.bytes[i] = i >>> 9;
  });
  disk.held = true;
  const driven = drive(createVirtioBlock({ backend: disk }), { ...options, queueSize: 16 });
  const [queue] = driven.queues;
  if (queue === undefined) throw new Error("no queue");
  const ids = [1, 2, 3].map((sector) => queue.submit([read(sector)], [512, 1]).id);
  driven.kick(0);
  await settle();
  const release = async (index: number): Promise<void> => {
    disk.release(index);
    await settle();
  };
  const collect = (): readonly number[] => queue.collect().map(({ submission }) => ids.indexOf(submission.id) + 1);
  return { ...driven, disk, queue, release, collect };
}

describe.each([{ packed: false }, { packed: true }])("buffers, packed $packed", ({ packed }) => {
  it("come back as they end, unless their order was agreed on", async () => {
    const free = await setUp({ packed, inOrder: false });
    await free.release(2);
    expect(free.collect()).toEqual([3]);
    const ordered = await setUp({ packed, inOrder: true });
    await ordered.release(2);
    await ordered.release(1);
    expect([ordered.collect(), ordered.irq.level]).toEqual([[], false]);
    await ordered.release(0);
    expect([ordered.collect(), ordered.irq.level]).toEqual([[1, 2, 3], true]);
  });

  it("that wait for their turn go into a snapshot, and come back once", async () => {
    const { release, collect, device, disk } = await setUp({ packed, inOrder: true });
    await release(2);
    const saved = structuredClone(device.save());
    device.reset();
    device.restore(saved);
    await settle();
    // The two that the disk still had are done again; their first attempts are nobody's any more.
    expect(disk.log).toEqual(["read 1+1", "read 2+1", "read 3+1", "read 1+1", "read 2+1"]);
    disk.release(0);
    disk.release(0);
    await settle();
    expect(collect()).toEqual([]);
    disk.release(0);
    disk.release(0);
    await settle();
    expect(collect()).toEqual([1, 2, 3]);
  });
});

import { describe, expect, it } from "vitest";
import { createVirtioBlock, type VirtioBlockOptions } from "../src/index.ts";
import { createTestDisk } from "./disk.ts";
import { type DriverOptions, drive, settle } from "./driver.ts";

const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13] as const;
const [OK, IOERR, UNSUPP] = [0, 1, 2] as const;

function header(type: number, sector: number | bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(view.buffer);
}

function range(sector: number, count: number, flags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return new Uint8Array(view.buffer);
}

function setUp(options: DriverOptions & { readOnly?: boolean } = {}) {
  const disk = createTestDisk(4096, options.readOnly);
  disk.bytes.forEach((_, i) => {
    disk.bytes[i] = i >>> 9;
  });
  const driven = drive(createVirtioBlock({ backend: disk, serial: "disk-one" }), options);
  const [queue] = driven.queues;
  if (queue === undefined) throw new Error("no queue");
  /** One request from start to end; the writable part, its last byte the status. */
  async function request(readable: Uint8Array[], writable: number[], indirect = false): Promise<Uint8Array> {
    queue?.submit(readable, writable, indirect);
    driven.kick(0);
    await settle();
    const [back, ...more] = queue?.collect() ?? [];
    if (back === undefined || more.length > 0) throw new Error(`${more.length + 1} answers, status ${driven.status}`);
    return back.submission.written();
  }
  return { ...driven, disk, queue, request, status: () => driven.status };
}

describe.each([{ packed: false }, { packed: true }])("a disk over a queue, packed $packed", ({ packed }) => {
  it("reads and writes over scattered buffers", async () => {
    const { request, disk } = setUp({ packed });
    const read = await request([header(IN, 2)], [100, 924, 1]);
    expect([read[0], read[511], read[512], read[1023], read[1024]]).toEqual([2, 2, 3, 3, OK]);
    const data = new Uint8Array(1024).fill(0xaa);
    expect(await request([header(OUT, 5).subarray(0, 7), header(OUT, 5).subarray(7), data], [1], true)).toEqual(
      Uint8Array.of(OK),
    );
    expect([...new Set(disk.bytes.subarray(5 * 512, 7 * 512))]).toEqual([0xaa]);
    expect([disk.bytes[5 * 512 - 1], disk.bytes[7 * 512]]).toEqual([4, 7]);
  });

  it("carries more than fits into one piece", async () => {
    const { request, disk } = setUp({ packed });
    const read = await request([header(IN, 0)], [1024 * 1024, 1]);
    expect(read.subarray(0, 1024 * 1024)).toEqual(disk.bytes.subarray(0, 1024 * 1024));
    expect(disk.log).toEqual(["read 0+1024", "read 1024+1024"]);
  });

  it("has several requests under way, and answers in the order in which they end", async () => {
    const { disk, queue, kick, irq } = setUp({ packed });
    disk.held = true;
    const first = queue.submit([header(IN, 1)], [513]);
    const second = queue.submit([header(IN, 2)], [513]);
    kick(0);
    await settle();
    expect(disk.log).toEqual(["read 1+1", "read 2+1"]);
    disk.release(1);
    await settle();
    expect(irq.level).toBe(true);
    disk.release(0);
    await settle();
    expect(queue.collect().map(({ submission }) => submission.id)).toEqual([second.id, first.id]);
    expect([first.written()[0], second.written()[0]]).toEqual([1, 2]);
  });

  it("takes requests under way into a snapshot, and does them again", async () => {
    const { disk, queue, kick, device, memory, window } = setUp({ packed });
    disk.held = true;
    const pending = queue.submit([header(IN, 9)], [512, 1]);
    kick(0);
    await settle();
    const saved = structuredClone(device.save());
    device.reset();
    disk.held = false;
    device.restore(saved);
    await settle();
    // The first attempt ends late; nobody may hear of it.
    disk.release();
    await settle();
    expect(memory.bytes[0]).toBe(0);
    expect(queue.collect().map(({ length }) => length)).toEqual([513]);
    expect([pending.written()[0], pending.written()[512], window.read(0x60, 4)]).toEqual([9, OK, 1]);
  });
});

describe("createVirtioBlock", () => {
  it("shows capacity and limits", () => {
    const { config32 } = setUp();
    expect([0, 4, 8, 12, 20].map(config32)).toEqual([4096, 0, 0x40_0000, 254, 512]);
  });

  it("serves several queues, and gives a free place to whichever has work", async () => {
    const disk = createTestDisk(4096);
    disk.held = true;
    const { queues, kick, config32, status } = drive(createVirtioBlock({ backend: disk, queues: 2 }), {
      queueSize: 64,
    });
    expect([config32(32) >>> 16, queues.length]).toEqual([2, 2]);
    const pending = [0, 1].map((index) =>
      Array.from({ length: 20 }, () => queues[index]?.submit([header(IN, index)], [512, 1])),
    );
    kick(0);
    kick(1);
    await settle();
    expect(disk.log.length).toBe(32);
    for (let i = 0; i < 8; i++) disk.release();
    await settle();
    expect(disk.log.filter((line) => line === "read 1+1").length).toBe(20);
    disk.held = false;
    for (let i = 0; i < 32; i++) disk.release();
    await settle();
    expect(queues.map((queue) => queue.collect().length)).toEqual([20, 20]);
    expect([pending.flat().every((one) => one?.written()[512] === OK), status & 64]).toEqual([true, 0]);
  });

  it("is read-only if its owner says so, whatever the backend allows", async () => {
    const disk = createTestDisk(8);
    const { queues, kick, window } = drive(createVirtioBlock({ backend: disk, readOnly: true }));
    window.write(0x14, 4, 0);
    expect(window.read(0x10, 4) & 0x20).toBe(0x20);
    const write = queues[0]?.submit([header(OUT, 0), new Uint8Array(512)], [1]);
    kick(0);
    await settle();
    expect([write?.written()[0], disk.log]).toEqual([IOERR, []]);
  });

  it.each<[Partial<VirtioBlockOptions>, string]>([
    [
      { serial: "123456789012345678901" },
      "d: serial '123456789012345678901': must be at most 20 printable ASCII characters",
    ],
    [{ serial: "\u00e9" }, "d: serial"],
    [{ queues: 0 }, "d: 0 queues: must be 1 to 64"],
    [{ queueSize: 100 }, "d: queue of 100 entries: must be a power of two from 4 to 1024"],
    [{ logicalBlockSize: 511 }, "d: logical block of 511 bytes"],
    [{ logicalBlockSize: 8192 }, "d: a disk of 8 sectors is not whole blocks of 8192 bytes"],
  ])("refuses %o", (change, message) => {
    const make = () => createVirtioBlock({ backend: createTestDisk(8), name: "d", ...change });
    expect(make).toThrow(expect.objectContaining({ code: "CONFIG_DEVICE", message: expect.stringContaining(message) }));
  });

  it("flushes, identifies itself, discards and writes zeroes", async () => {
    const { request, disk } = setUp();
    expect(await request([header(FLUSH, 0)], [1])).toEqual(Uint8Array.of(OK));
    expect(disk.log).toEqual(["flush"]);
    const id = await request([header(GET_ID, 0)], [20, 1]);
    expect(String.fromCharCode(...id)).toBe(`disk-one${"\0".repeat(13)}`);
    expect(await request([header(DISCARD, 0), range(1, 8)], [1])).toEqual(Uint8Array.of(OK));
    expect(await request([header(WRITE_ZEROES, 0), range(3, 2, 1)], [1])).toEqual(Uint8Array.of(OK));
    expect([2, 3, 4, 5].map((sector) => disk.bytes[sector * 512])).toEqual([2, 0, 0, 5]);
  });

  it("leaves discards and zeroes to a backend that has its own way, with what the driver allows", async () => {
    const { request, disk } = setUp();
    const log = (what: string) => async (sector: number, count: number, unmap?: boolean) =>
      void disk.log.push([what, sector, count, unmap].join(" "));
    Object.assign(disk, { discard: log("discard"), writeZeroes: log("zeroes") });
    expect(await request([header(DISCARD, 0), range(1, 8)], [1])).toEqual(Uint8Array.of(OK));
    expect(await request([header(WRITE_ZEROES, 0), range(3, 2, 1)], [1])).toEqual(Uint8Array.of(OK));
    expect(await request([header(WRITE_ZEROES, 0), range(9, 65_536 / 32)], [1])).toEqual(Uint8Array.of(OK));
    expect(disk.log).toEqual(["discard 1 8 ", "zeroes 3 2 true", "zeroes 9 2048 false"]);
    Object.assign(disk, { discard: () => Promise.reject(new Error("host")) });
    expect(await request([header(DISCARD, 0), range(1, 8)], [1])).toEqual(Uint8Array.of(IOERR));
  });

  it.each([
    ["a read past the end", [header(IN, 4095)], [1024, 1], IOERR],
    ["a sector beyond exact numbers", [header(IN, 0xffff_ffff_ffff_ffffn)], [512, 1], IOERR],
    ["half a sector", [header(IN, 0)], [256, 1], IOERR],
    ["an unknown request", [header(99, 0)], [1], UNSUPP],
    ["a range without end", [header(WRITE_ZEROES, 0), range(0, 0xffff_ffff)], [1], IOERR],
    ["a range past the end", [header(DISCARD, 0), range(4090, 7)], [1], IOERR],
    ["a discard with a flag", [header(DISCARD, 0), range(0, 1, 1)], [1], UNSUPP],
    ["a discard without range", [header(DISCARD, 0)], [1], IOERR],
    ["no room for the serial number", [header(GET_ID, 0)], [4, 1], IOERR],
  ])("answers %s with a status", async (_, readable, writable, status) => {
    const { request, disk } = setUp();
    expect((await request(readable, writable)).at(-1)).toBe(status);
    expect(disk.log).toEqual([]);
  });

  it("reports trouble of the host as an I/O error and goes on", async () => {
    const { request, disk } = setUp();
    disk.failing = true;
    expect((await request([header(IN, 0)], [512, 1])).at(-1)).toBe(IOERR);
    expect((await request([header(OUT, 0), new Uint8Array(512)], [1])).at(-1)).toBe(IOERR);
    expect((await request([header(FLUSH, 0)], [1])).at(-1)).toBe(IOERR);
    disk.failing = false;
    expect((await request([header(IN, 0)], [512, 1])).at(-1)).toBe(OK);
  });

  it("never writes to a read-only disk", async () => {
    const { request, disk } = setUp({ readOnly: true });
    expect((await request([header(OUT, 0), new Uint8Array(512)], [1])).at(-1)).toBe(IOERR);
    expect((await request([header(WRITE_ZEROES, 0), range(0, 1)], [1])).at(-1)).toBe(IOERR);
    expect(disk.log).toEqual([]);
  });

  it.each([
    ["no header", [], [1]],
    ["a short header", [new Uint8Array(15)], [1]],
    ["no room for a status", [header(FLUSH, 0)], []],
  ])("needs a reset after a request with %s", (_, readable, writable) => {
    const { queue, kick, status } = setUp();
    queue.submit(readable, writable);
    if (readable.length + writable.length > 0) kick(0);
    expect(status() & 64).toBe(64);
  });

  it("needs a reset when the data turns out to lie outside RAM", async () => {
    const { queue, kick, status, memory } = setUp();
    queue.submit([header(IN, 0)], [512, 1]);
    new DataView(memory.bytes.buffer).setUint32(queue.descriptors + 16, 0x7fff_0000, true);
    kick(0);
    await settle();
    expect(status() & 64).toBe(64);
  });
});

import type { IoRegion } from "@tsvm/contracts";
import { createFakeMemory, createProbeLine } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createVirtioBlock, createVirtioPci, createVirtioRng, type VirtioModel } from "../src/index.ts";
import { createTestDisk } from "./disk.ts";
import { createAllocator, createSplitDriver } from "./driver-queue.ts";

function setUp(model: VirtioModel = createVirtioRng({ random: () => 0x0101_0101 }), legacy = true) {
  const memory = createFakeMemory(0x1_0000);
  const intx = createProbeLine();
  const vectors: number[] = [];
  const port = { interrupt: intx, sendsMessages: false, signal: (vector: number) => void vectors.push(vector) };
  const device = createVirtioPci({ model, memory, port, legacy });
  const [structures, ports] = device.regions;
  if (structures === undefined) throw new Error("window missing");
  return { device, memory, intx, vectors, port, structures, ports: ports as IoRegion };
}

/** As {@link setUp}, with a driver that has come as far as DRIVER_OK; `submit` also kicks. */
function setUpDriven(driverHigh = 1) {
  const parts = setUp();
  const { structures, memory } = parts;
  const queue = createSplitDriver(memory, createAllocator(0x1000), 8);
  structures.write(20, 1, 1);
  structures.write(20, 1, 3);
  structures.write(8, 4, 1);
  structures.write(12, 4, driverHigh);
  structures.write(20, 1, 11);
  structures.write(22, 2, 0);
  structures.write(24, 2, 8);
  structures.write(26, 2, 1);
  structures.write(16, 2, 0);
  for (const [at, gpa] of [
    [32, queue.descriptors],
    [40, queue.driver],
    [48, queue.device],
  ] as const) {
    structures.write(at, 4, gpa);
    structures.write(at + 4, 4, 0);
  }
  structures.write(28, 2, 1);
  structures.write(20, 1, 15);
  const submit = (): void => {
    queue.submit([], [4]);
    structures.write(0x3000, 2, 0);
  };
  return { ...parts, queue, submit };
}

describe("createVirtioPci", () => {
  it("introduces itself to drivers of both ages, or to modern ones only", () => {
    const { device, ports } = setUp();
    const { identity, bars, msix } = device.face;
    expect([identity.vendorId, identity.deviceId, identity.subsystemId, identity.revision]).toEqual([
      0x1af4, 0x1005, 4, 0,
    ]);
    expect(bars.map(({ index, kind, region }) => [index, kind, region.length])).toEqual([
      [4, "memory64", 0x4000],
      [0, "io", ports.length],
    ]);
    expect(msix).toEqual({ vectors: 2, bar: 1 });
    const modern = setUp(undefined, false).device.face;
    expect([modern.identity.deviceId, modern.identity.revision, modern.bars.length]).toEqual([0x1044, 1, 1]);
  });

  it("lists its structures as capabilities", () => {
    const { capabilities } = setUp().device.face;
    const found = capabilities.map(({ id, body }) => {
      const view = new DataView(body.buffer);
      return [id, body[0], body[1], body[2], view.getUint32(6, true)];
    });
    // Common, ISR and notify structures; this kind of device has no configuration; last the access by configuration space.
    expect(found).toEqual([
      [9, 16, 1, 4, 0],
      [9, 16, 3, 4, 0x1000],
      [9, 20, 2, 4, 0x3000],
      [9, 20, 5, 0, 0],
    ]);
    expect(capabilities[2]?.body[14]).toBe(4);
  });

  it("lets software reach the structures through configuration space", () => {
    const { device, structures } = setUp();
    const access = device.face.capabilities.at(-1);
    const bytes = new Uint8Array(20);
    const view = new DataView(bytes.buffer);
    const aim = (offset: number, length: number, bar = 4): void => {
      bytes[4] = bar;
      view.setUint32(8, offset, true);
      view.setUint32(12, length, true);
    };
    aim(20, 1);
    bytes[16] = 3;
    access?.onWrite?.(bytes, 16, 1);
    expect(structures.read(20, 1)).toBe(3);
    bytes[16] = 0;
    access?.onRead?.(bytes, 12, 4);
    expect(bytes[16]).toBe(0);
    access?.onRead?.(bytes, 16, 4);
    expect(view.getUint32(16, true)).toBe(3);
    for (const [offset, length, bar] of [
      [20, 1, 0],
      [20, 3, 4],
      [21, 2, 4],
      [0x4000, 1, 4],
      [0xffff_fffc, 4, 4],
    ] as const) {
      aim(offset, length, bar);
      view.setUint32(16, 0, true);
      access?.onWrite?.(bytes, 16, 4);
      expect(structures.read(20, 1)).toBe(3);
    }
  });

  it("negotiates, takes a queue, and interrupts by the pin until the ISR is read", () => {
    const { structures, intx, queue, submit } = setUpDriven();
    expect([structures.read(20, 1), structures.read(18, 2), structures.read(24, 2), structures.read(28, 2)]).toEqual([
      15, 1, 8, 1,
    ]);
    submit();
    expect(queue.collect().map(({ submission }) => submission.written()[0])).toEqual([1]);
    expect(intx.level).toBe(true);
    expect(structures.read(0x1000, 1)).toBe(1);
    expect(intx.level).toBe(false);
    expect(structures.read(0x1000, 1)).toBe(0);
  });

  it("interrupts by message when those are on", () => {
    const { port, vectors, intx, submit } = setUpDriven();
    port.sendsMessages = true;
    submit();
    expect([vectors, intx.rises]).toEqual([[1], 0]);
  });

  it("gives no vector for one that does not exist", () => {
    const { structures } = setUp();
    for (const at of [16, 26]) {
      structures.write(at, 2, 1);
      expect(structures.read(at, 2)).toBe(1);
      structures.write(at, 2, 2);
      expect(structures.read(at, 2)).toBe(0xffff);
    }
    structures.write(22, 2, 7);
    expect([structures.read(24, 2), structures.read(26, 2)]).toEqual([0, 0xffff]);
  });

  it("forgets vectors and queues by a reset of the driver's", () => {
    const { structures } = setUpDriven();
    structures.write(20, 1, 0);
    expect([structures.read(20, 1), structures.read(16, 2), structures.read(28, 2)]).toEqual([0, 0xffff, 0]);
  });

  it("resets one queue, if that was agreed", () => {
    const RING_RESET = 1 << 8;
    const without = setUpDriven();
    without.structures.write(58, 2, 1);
    expect(without.structures.read(28, 2)).toBe(1);
    const { structures, submit, queue, intx } = setUpDriven(1 | RING_RESET);
    structures.write(58, 2, 1);
    expect([58, 28, 24, 32].map((at) => structures.read(at, 2))).toEqual([0, 0, 64, 0]);
    submit();
    expect([queue.collect(), intx.level, structures.read(20, 1)]).toEqual([[], false, 15]);
    structures.write(24, 2, 8);
    for (const [at, gpa] of [
      [32, queue.descriptors],
      [40, queue.driver],
      [48, queue.device],
    ] as const) {
      structures.write(at, 4, gpa);
    }
    structures.write(28, 2, 1);
    structures.write(0x3000, 2, 0);
    expect(queue.collect()).toHaveLength(1);
  });
});

describe("the legacy interface", () => {
  /** A driver as Linux 2.6 had it: one page number a queue, no FEATURES_OK. */
  function setUpLegacy() {
    const parts = setUp();
    const { ports, memory } = parts;
    const page = 3;
    const queue = createSplitDriver(memory, createAllocator(page * 4096, 4096), 64);
    ports.write(18, 1, 1);
    ports.write(18, 1, 3);
    ports.write(4, 4, 0x3000_0000);
    ports.write(14, 2, 0);
    ports.write(8, 4, page);
    const submit = (): void => {
      queue.submit([], [4]);
      ports.write(16, 2, 0);
    };
    return { ...parts, queue, submit, page };
  }

  it("offers what fits into 32 bits, and gives queues of one size", () => {
    const { ports } = setUp();
    expect([ports.read(0, 4), ports.read(12, 2)]).toEqual([0x3800_0000, 64]);
    ports.write(14, 2, 1);
    expect(ports.read(12, 2)).toBe(0);
  });

  it("drives the device, and interrupts by the pin until the ISR is read", () => {
    const { ports, queue, submit, page, intx, structures } = setUpLegacy();
    expect([ports.read(8, 4), structures.read(48, 4) % 4096]).toEqual([page, 0]);
    submit();
    expect(queue.collect()).toEqual([]);
    ports.write(18, 1, 7);
    expect(queue.collect()).toHaveLength(1);
    expect([intx.level, ports.read(19, 1), intx.level, ports.read(19, 1)]).toEqual([true, 1, false, 0]);
    submit();
    expect(queue.collect()).toHaveLength(1);
    ports.write(18, 1, 0);
    expect([ports.read(8, 4), ports.read(18, 1)]).toEqual([0, 0]);
  });

  it("has vectors before the configuration while messages are on", () => {
    const disk = createVirtioBlock({ backend: createTestDisk(77) });
    const { ports, port, vectors } = setUp(disk);
    expect(ports.read(20, 4)).toBe(77);
    port.sendsMessages = true;
    expect([ports.read(20, 4), ports.read(24, 4)]).toEqual([0xffff_ffff, 77]);
    ports.write(20, 2, 1);
    ports.write(22, 2, 9);
    expect([ports.read(20, 2), ports.read(22, 2)]).toEqual([1, 0xffff]);
    ports.write(22, 2, 0);
    expect([ports.read(22, 2), vectors]).toEqual([0, []]);
  });

  it("closes a queue whose page is 0", () => {
    const { ports, submit, queue } = setUpLegacy();
    ports.write(18, 1, 7);
    ports.write(8, 4, 0);
    expect(ports.read(8, 4)).toBe(0);
    submit();
    expect(queue.collect()).toEqual([]);
  });
});

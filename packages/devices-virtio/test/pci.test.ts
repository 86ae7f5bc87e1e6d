import { createFakeMemory, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createVirtioPci, createVirtioRng } from "../src/index.ts";
import { createAllocator, createSplitDriver } from "./driver-queue.ts";

const ENABLE = 0x8000;
const FUNCTION_MASK = 0x4000;

function setUp() {
  const memory = createFakeMemory(0x1_0000);
  const intx = createProbeLine();
  const messages: string[] = [];
  const device = createVirtioPci({
    model: createVirtioRng({ random: () => 0x0101_0101 }),
    memory,
    intx,
    msi: { signal: (address, data) => messages.push(`${address.toString(16)}=${data.toString(16)}`) },
  });
  const [structures, msix] = device.regions;
  if (structures === undefined || msix === undefined) throw new Error("windows missing");
  return { device, memory, intx, messages, structures, msix };
}

/** As {@link setUp}, with a driver that has come as far as DRIVER_OK; `submit` also kicks. */
function setUpDriven() {
  const parts = setUp();
  const { structures, memory } = parts;
  const queue = createSplitDriver(memory, createAllocator(0x1000), 8);
  structures.write(20, 1, 1);
  structures.write(20, 1, 3);
  structures.write(8, 4, 1);
  structures.write(12, 4, 1);
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

/** Configuration space as the registers describe it. */
function configSpace({ device }: ReturnType<typeof setUp>): Uint8Array {
  const bytes = new Uint8Array(256);
  for (const { offset, size, value } of device.face.registers) {
    for (let i = 0; i < size; i++) bytes[offset + i] = value >>> (8 * i);
  }
  return bytes;
}

testDevice("createVirtioPci", () => ({ device: setUp().device }));

describe("createVirtioPci", () => {
  it("lists its structures as capabilities", () => {
    const parts = setUp();
    const { identity, capabilities, bars } = parts.device.face;
    expect([identity.vendorId, identity.deviceId]).toEqual([0x1af4, 0x1044]);
    expect(bars.map(({ index, length }) => [index, length])).toEqual([
      [1, 0x1000],
      [4, 0x4000],
    ]);
    const config = configSpace(parts);
    const view = new DataView(config.buffer);
    const found: number[][] = [];
    for (let at = capabilities; at !== 0; at = config[at + 1] as number) {
      if (config[at] === 0x11) found.push([0x11, view.getUint16(at + 2, true), view.getUint32(at + 4, true)]);
      else found.push([config[at + 3] as number, config[at + 4] as number, view.getUint32(at + 8, true)]);
      if (config[at + 3] === 2 && config[at] === 9) expect(view.getUint32(at + 16, true)).toBe(4);
    }
    // MSI-X with two vectors; common, ISR and notify structures; this kind of device has no configuration.
    expect(found).toEqual([
      [0x11, 1, 1],
      [1, 4, 0],
      [3, 4, 0x1000],
      [2, 4, 0x3000],
    ]);
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

  it("interrupts by message when MSI-X is on, and holds back what is masked", () => {
    const { device, msix, messages, intx, submit } = setUpDriven();
    device.setMsixControl(ENABLE | FUNCTION_MASK);
    msix.write(16, 4, 0xfee0_1000);
    msix.write(24, 4, 0x41);
    msix.write(28, 4, 1);
    submit();
    expect([messages.length, msix.read(0x800, 1)]).toEqual([0, 2]);
    device.setMsixControl(ENABLE);
    expect(messages).toEqual([]);
    msix.write(28, 4, 0);
    expect([messages, msix.read(0x800, 1)]).toEqual([["fee01000=41"], 0]);
    submit();
    expect(messages).toHaveLength(2);
    expect(intx.rises).toBe(0);
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

  it("forgets vectors by a reset of the driver's, but not MSI-X, which is the function's", () => {
    const { device, structures, msix } = setUpDriven();
    device.setMsixControl(ENABLE);
    msix.write(16, 4, 0xfee0_0000);
    structures.write(20, 1, 0);
    expect([structures.read(20, 1), structures.read(16, 2), structures.read(28, 2)]).toEqual([0, 0xffff, 0]);
    expect(msix.read(16, 4)).toBe(0xfee0_0000);
    device.reset();
    expect([msix.read(16, 4), msix.read(12, 4)]).toEqual([0, 1]);
  });
});

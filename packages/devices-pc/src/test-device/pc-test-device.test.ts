import { createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createPcTestDevice } from "./pc-test-device.ts";

const fixture = () => {
  const lines = Array.from({ length: 24 }, () => createProbeLine());
  const device = createPcTestDevice({ lines });
  const [ports, flush, bytePorts, interrupts, memory] = device.regions;
  return {
    lines,
    device,
    ports: ports!,
    flush: flush!,
    bytePorts: bytePorts!,
    interrupts: interrupts!,
    memory: memory!,
  };
};

testDevice("createPcTestDevice", () => {
  const { device, lines } = fixture();
  return { device, outputs: lines };
});

describe("createPcTestDevice", () => {
  it("keeps what is written to its ports, whatever the width", () => {
    const { ports, bytePorts } = fixture();
    ports.write(0, 4, 0x8765_4321);
    ports.write(1, 1, 0xaa);
    expect([ports.read(0, 4), ports.read(2, 2)]).toEqual([0x8765_aa21, 0x8765]);
    bytePorts.write(0, 1, 0x12);
    expect([bytePorts.read(0, 1), ports.read(0, 1)]).toEqual([0x12, 0x21]);
  });

  it("drives one line a port", () => {
    const { interrupts, lines } = fixture();
    interrupts.write(14, 1, 1);
    expect(lines.map(({ level }) => level).indexOf(true)).toBe(14);
    interrupts.write(14, 1, 0);
    expect(lines.some(({ level }) => level)).toBe(false);
    expect(interrupts.length).toBe(24);
  });

  it("has 64 KiB of memory that ends where it ends", () => {
    const { memory } = fixture();
    memory.write(0xfffe, 4, 0xdead_beef);
    expect([memory.read(0xfffe, 2), memory.read(0xfffe, 4), memory.length]).toEqual([0xbeef, 0xbeef, 0x1_0000]);
  });

  it("takes a page's address at the flush port and shows nothing for it", () => {
    const { flush, device } = fixture();
    const before = device.save();
    flush.write(0, 4, 0x1000);
    expect([flush.read(0, 4), device.save()]).toEqual([0, before]);
  });
});

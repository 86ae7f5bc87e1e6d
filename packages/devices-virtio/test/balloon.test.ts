import { describe, expect, it } from "vitest";
import { createVirtioBalloon } from "../src/index.ts";
import { drive } from "./driver.ts";

describe("createVirtioBalloon", () => {
  it("asks for pages, and hears how many it got", () => {
    const balloon = createVirtioBalloon();
    const { config32, window, queues, kick } = drive(balloon);
    const generation = window.read(0xfc, 4);
    balloon.setTarget(256);
    expect([config32(0), window.read(0xfc, 4), window.read(0x60, 4)]).toEqual([256, generation + 1, 2]);
    queues[0]?.submit([new Uint8Array(16)], []);
    kick(0);
    expect(queues[0]?.collect()).toHaveLength(1);
    window.write(0x104, 4, 4);
    window.write(0x100, 4, 99);
    expect([balloon.actual, config32(0)]).toEqual([4, 256]);
  });

  it("counts pages reported free, in a queue that is there only if they are wanted", () => {
    expect(createVirtioBalloon().queueSizes).toHaveLength(3);
    const balloon = createVirtioBalloon({ freePageReporting: true });
    const { queues, kick, device } = drive(balloon);
    const sent = queues[3]?.submit([], [8192, 4096]);
    kick(3);
    expect([balloon.reportedPages, queues[3]?.collect().map(({ length }) => length)]).toEqual([3, [0]]);
    expect(sent?.written().every((byte) => byte === 0)).toBe(true);
    const saved = structuredClone(device.save());
    device.reset();
    expect(balloon.reportedPages).toBe(0);
    device.restore(saved);
    expect(balloon.reportedPages).toBe(3);
  });

  it("reads statistics, and gives the buffer back to ask for more", () => {
    const balloon = createVirtioBalloon();
    const { queues, kick } = drive(balloon);
    const report = new DataView(new ArrayBuffer(20));
    report.setUint16(0, 4, true);
    report.setBigUint64(2, 123_456n, true);
    report.setUint16(10, 777, true);
    queues[2]?.submit([new Uint8Array(report.buffer)], []);
    kick(2);
    expect(balloon.statistics).toEqual({ freeMemory: 123_456 });
    expect(queues[2]?.collect()).toEqual([]);
    balloon.requestStatistics();
    expect(queues[2]?.collect()).toHaveLength(1);
  });
});

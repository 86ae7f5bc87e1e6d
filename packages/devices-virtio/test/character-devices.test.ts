import { createFakeChardev } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createVirtioBalloon, createVirtioConsole } from "../src/index.ts";
import { drive } from "./driver.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

describe("createVirtioConsole", () => {
  const setUp = () => {
    const chardev = createFakeChardev();
    const driven = drive(createVirtioConsole({ chardev, size: { columns: 132, rows: 43 } }));
    const [receive, transmit] = driven.queues;
    if (receive === undefined || transmit === undefined) throw new Error("queues missing");
    return { ...driven, chardev, receive, transmit };
  };

  it("sends what the driver writes, in order", () => {
    const { transmit, kick, chardev } = setUp();
    transmit.submit([bytesOf("hello "), bytesOf("wor")], []);
    transmit.submit([bytesOf("ld\n")], []);
    kick(1);
    expect(chardev.output).toBe("hello world\n");
    expect(transmit.collect()).toHaveLength(2);
  });

  it("keeps input until the driver has buffers, and fills them as it comes", () => {
    const { receive, kick, chardev, irq } = setUp();
    chardev.feed("root\n");
    expect(irq.level).toBe(false);
    receive.submit([], [3]);
    receive.submit([], [16]);
    kick(0);
    receive.submit([], [16]);
    kick(0);
    chardev.feed("ls\n");
    const answers = receive.collect().map(({ submission, length }) => textOf(submission.written().subarray(0, length)));
    expect(answers).toEqual(["roo", "t\n", "ls\n"]);
    expect(irq.level).toBe(true);
  });

  it("takes the buffer that waits for input into a snapshot", () => {
    const { receive, kick, chardev, device } = setUp();
    receive.submit([], [16]);
    kick(0);
    const saved = structuredClone(device.save());
    device.reset();
    chardev.feed("x");
    expect(chardev.waiting).toBe("x");
    device.restore(saved);
    kick(0);
    expect(receive.collect().map(({ submission }) => submission.written()[0])).toEqual([0x78]);
  });

  it("tells its size, and speaks for a driver in distress", () => {
    const { config32, window, chardev } = setUp();
    expect([config32(0), config32(4)]).toEqual([132 | (43 << 16), 1]);
    window.write(0x108, 4, 0x21);
    expect(chardev.output[0]).toBe("!");
  });
});

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

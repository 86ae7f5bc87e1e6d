import { createFakeChardev } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createVirtioSerial, type VirtioSerialPort } from "../src/index.ts";
import { drive } from "./driver.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const MULTIPORT = 2;

describe("a console for a driver without control messages", () => {
  const setUp = () => {
    const chardev = createFakeChardev();
    const driven = drive(
      createVirtioSerial({ ports: [{ kind: "console", chardev, size: { columns: 132, rows: 43 } }] }),
      { decline: MULTIPORT },
    );
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

/** Events as the standard names them. */
const [READY, ADD, , PORT_READY, CONSOLE, RESIZE, OPEN, NAME] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

function setUpPorts(options: { readonly buffers?: number } = {}) {
  const [terminal, log, plain] = [createFakeChardev(), createFakeChardev(), createFakeChardev()];
  const serial = createVirtioSerial({
    ports: [
      { chardev: log, name: "org.tsvm.log" },
      { chardev: terminal, kind: "console", size: { columns: 80, rows: 25 } },
      { chardev: plain, number: 5, connected: false },
    ],
  });
  const driven = drive(serial, { queueSize: 32 });
  const queue = (index: number) => driven.queues[index] as NonNullable<(typeof driven.queues)[number]>;
  for (let i = 0; i < (options.buffers ?? 24); i++) queue(CONTROL_RECEIVE).submit([], [32]);
  driven.kick(CONTROL_RECEIVE);
  const tell = (port: number, event: number, value: number): void => {
    const message = Uint8Array.of(port, 0, 0, 0, event, 0, value, 0);
    queue(CONTROL_TRANSMIT).submit([message], []);
    driven.kick(CONTROL_TRANSMIT);
  };
  /** Messages from the device: port, event, value, and what they carry. */
  const heard = () =>
    queue(CONTROL_RECEIVE)
      .collect()
      .map(({ submission, length }) => {
        const bytes = submission.written().subarray(0, length);
        return [bytes[0], bytes[4], bytes[6], ...bytes.subarray(8)];
      });
  return { ...driven, status: () => driven.status, serial, terminal, log, plain, queue, tell, heard };
}

describe("createVirtioSerial", () => {
  it("introduces its ports to a driver that is ready for them", () => {
    const { tell, heard, config32, queues } = setUpPorts();
    expect([config32(4), queues.length]).toEqual([6, 14]);
    tell(0, READY, 1);
    expect(heard()).toEqual([0, 1, 5].map((port) => [port, ADD, 0]));
    tell(0, PORT_READY, 1);
    expect(heard()).toEqual([
      [0, CONSOLE, 1],
      [0, RESIZE, 0, 80, 0, 25, 0],
      [0, OPEN, 1],
    ]);
    tell(1, PORT_READY, 1);
    expect(heard()).toEqual([
      [1, NAME, 0, ...bytesOf("org.tsvm.log"), 0],
      [1, OPEN, 1],
    ]);
    tell(5, PORT_READY, 1);
    tell(3, PORT_READY, 1);
    expect(heard()).toEqual([]);
  });

  it("keeps input while the port is closed, and hands it over when it opens", () => {
    const { tell, queue, kick, log, serial } = setUpPorts();
    queue(4).submit([], [16]);
    kick(4);
    log.feed("early");
    expect([queue(4).collect().length, log.waiting, serial.isOpen(1)]).toEqual([0, "early", false]);
    tell(1, OPEN, 1);
    expect(serial.isOpen(1)).toBe(true);
    const [answer] = queue(4).collect();
    expect(textOf(answer?.submission.written().subarray(0, answer.length) ?? new Uint8Array())).toBe("early");
    tell(1, OPEN, 0);
    queue(4).submit([], [16]);
    kick(4);
    log.feed("late");
    expect([queue(4).collect().length, log.waiting]).toEqual([0, "late"]);
  });

  it("carries output of each port to its own chardev, and drops it when nobody is there", () => {
    const { tell, queue, kick, terminal, log, plain, serial, heard } = setUpPorts();
    for (const [index, text] of [
      [1, "console"],
      [5, "log"],
      [13, "lost"],
    ] as const) {
      queue(index).submit([bytesOf(text)], []);
      kick(index);
      expect(queue(index).collect()).toHaveLength(1);
    }
    expect([terminal.output, log.output, plain.output]).toEqual(["console", "log", ""]);
    serial.setConnected(5, true);
    serial.setConnected(5, true);
    expect(heard()).toEqual([[5, OPEN, 1]]);
    queue(13).submit([bytesOf("kept")], []);
    kick(13);
    expect(plain.output).toBe("kept");
    serial.setConnected(5, false);
    expect(heard()).toEqual([[5, OPEN, 0]]);
    tell(5, OPEN, 1);
  });

  it("tells new sizes to a console that is open", () => {
    const { tell, serial, heard, config32 } = setUpPorts();
    serial.resize(0, { columns: 100, rows: 50 });
    expect([heard(), config32(0)]).toEqual([[], 100 | (50 << 16)]);
    tell(0, OPEN, 1);
    serial.resize(0, { columns: 300, rows: 60 });
    serial.resize(9, { columns: 1, rows: 1 });
    expect(heard()).toEqual([[0, RESIZE, 0, 300 & 0xff, 1, 60, 0]]);
  });

  it("lets messages wait for buffers, not without bound, and takes them into a snapshot", () => {
    const { tell, serial, heard, device, queue, kick, status } = setUpPorts({ buffers: 0 });
    for (let i = 0; i < 2_000; i++) serial.setConnected(5, i % 2 === 0);
    expect(serial.save().control.length).toBe(256);
    const saved = structuredClone(device.save());
    device.reset();
    device.restore(saved);
    queue(CONTROL_RECEIVE).submit([], [32]);
    queue(CONTROL_RECEIVE).submit([], [32]);
    kick(CONTROL_RECEIVE);
    expect(heard()).toEqual([
      [5, OPEN, 1],
      [5, OPEN, 0],
    ]);
    tell(0, READY, 0);
    expect(status() & 64).toBe(0);
  });

  it("stops at a control message or buffer shorter than a header", () => {
    const first = setUpPorts();
    first.queue(CONTROL_TRANSMIT).submit([new Uint8Array(7)], []);
    first.kick(CONTROL_TRANSMIT);
    expect(first.status() & 64).toBe(64);
    const second = setUpPorts({ buffers: 0 });
    second.queue(CONTROL_RECEIVE).submit([], [7]);
    second.tell(0, READY, 1);
    expect(second.status() & 64).toBe(64);
  });

  it("numbers its ports: what is asked for first, then the lowest free", () => {
    const chardev = createFakeChardev();
    const serial = createVirtioSerial({
      ports: [{ chardev }, { chardev, number: 5 }, { chardev, kind: "console" }, { chardev, number: 1 }],
    });
    expect(serial.portNumbers).toEqual([2, 5, 0, 1]);
  });

  it("is found by drivers without any port, whatever they send", () => {
    const driven = drive(createVirtioSerial({ ports: [] }));
    const [, transmit] = driven.queues;
    expect([driven.config32(4), driven.queues.length]).toEqual([1, 4]);
    transmit?.submit([bytesOf("lost")], []);
    driven.kick(1);
    driven.window.write(0x108, 4, 0x21);
    expect([driven.status & 64, transmit?.collect()]).toEqual([0, []]);
  });

  const chardev = createFakeChardev();
  it.each<[readonly VirtioSerialPort[], string]>([
    [[{ chardev, number: 0 }], "s: port 0 is kept for a console; nearest: 1"],
    [[{ chardev, number: 31 }], "s: port 31: must be 0 to 30"],
    [
      [
        { chardev, number: 3 },
        { chardev, number: 3 },
      ],
      "s: two ports have number 3",
    ],
    [new Array<VirtioSerialPort>(31).fill({ chardev }), "s: no more than 31 ports"],
    [[{ chardev, name: "a/b" }], "s: port name 'a/b'"],
    [[{ chardev, name: "x".repeat(65) }], "s: port name"],
    [[{ chardev, kind: "console", size: { columns: 0, rows: 5 } }], "s: size 0x5"],
  ])("refuses ports that cannot be: %#", (ports, message) => {
    expect(() => createVirtioSerial({ name: "s", ports })).toThrow(
      expect.objectContaining({ code: "CONFIG_DEVICE", message: expect.stringContaining(message) }),
    );
  });
});

import { describe, expect, it } from "vitest";
import { createVirtioRng } from "../src/index.ts";
import { drive } from "./driver.ts";

const NEEDS_RESET = 64;
const counting = () => {
  let next = 1;
  return createVirtioRng({ random: () => next++ });
};
/** The event suppression area or the used_event field, written by hand. */
const poke16 = (bytes: Uint8Array, gpa: number, value: number): void =>
  new DataView(bytes.buffer).setUint16(gpa, value, true);

describe.each([
  { packed: false, name: "split" },
  { packed: true, name: "packed" },
])("a $name queue", ({ packed }) => {
  it("serves buffers over many laps of the ring, direct and indirect", () => {
    const driven = drive(counting(), { packed });
    const { queues, kick } = driven;
    const [queue] = queues;
    let expected = 1;
    for (let lap = 0; lap < 50; lap++) {
      queue?.submit([], [4, 8], lap % 3 === 0);
      queue?.submit([], [4]);
      kick(0);
      const back = queue?.collect() ?? [];
      expect(back.map(({ length }) => length)).toEqual([12, 4]);
      const words = back.flatMap(({ submission }) => [...new Uint32Array(submission.written().buffer)]);
      expect(words).toEqual([expected, expected + 1, expected + 2, expected + 3]);
      expected += 4;
    }
    expect(driven.status).toBe(15);
  });

  it("interrupts once a batch, and not at all when the driver asks for silence", () => {
    const { queues, kick, irq, window, memory } = drive(counting(), { packed });
    const [queue] = queues;
    queue?.submit([], [4]);
    queue?.submit([], [4]);
    kick(0);
    expect([irq.rises, window.read(0x60, 4)]).toEqual([1, 1]);
    window.write(0x64, 4, 1);
    expect(irq.level).toBe(false);
    poke16(memory.bytes, (queue?.driver ?? 0) + (packed ? 2 : 0), 1);
    queue?.submit([], [4]);
    kick(0);
    expect(irq.rises).toBe(1);
    expect(queue?.collect()).toHaveLength(3);
  });

  it("by event index, interrupts when the used index passes the one the driver named", () => {
    const { queues, kick, irq, window, memory } = drive(counting(), { packed, eventIndex: true });
    const [queue] = queues;
    const ask = (position: number): void => {
      if (packed) {
        poke16(memory.bytes, queue?.driver ?? 0, position | 0x8000);
        poke16(memory.bytes, (queue?.driver ?? 0) + 2, 2);
      } else poke16(memory.bytes, (queue?.driver ?? 0) + 4 + 2 * 8, position);
    };
    const rises = [0, 1, 2, 3].map(() => {
      queue?.submit([], [4]);
      ask(2);
      kick(0);
      window.write(0x64, 4, 3);
      return irq.rises;
    });
    // The first answer has no predecessor to compare with; the third passes position 2.
    expect(rises).toEqual([1, 1, 2, 2]);
  });

  it("comes to a stop, not the host, when a chain points outside RAM", () => {
    const driven = drive(counting(), { packed });
    const [queue] = driven.queues;
    queue?.submit([], [4]);
    new DataView(driven.memory.bytes.buffer).setUint32(queue?.descriptors ?? 0, 0xffff_fff0, true);
    driven.kick(0);
    expect(driven.status).toBe(15 | NEEDS_RESET);
    expect(driven.window.read(0x60, 4) & 2).toBe(2);
    driven.kick(0);
    expect(queue?.collect()).toEqual([]);
    driven.window.write(0x70, 4, 0);
    expect([driven.status, driven.irq.level]).toEqual([0, false]);
  });

  it.each([
    ["an address beyond any RAM", 4, 0xffff_ffff],
    ["an indirect table of odd length", 12, packed ? undefined : 4],
    ["a readable part behind a writable one", 12, undefined],
  ])("refuses %s", (what, at, value) => {
    const driven = drive(counting(), { packed });
    const [queue] = driven.queues;
    const view = new DataView(driven.memory.bytes.buffer);
    const table = queue?.descriptors ?? 0;
    queue?.submit([], [4, 4]);
    const flagsAt = packed ? 14 : 12;
    if (what.startsWith("a readable")) {
      view.setUint16(table + 16 + flagsAt, view.getUint16(table + 16 + flagsAt, true) & ~2, true);
    } else if (what.startsWith("an indirect")) {
      view.setUint16(table + flagsAt, (view.getUint16(table + flagsAt, true) & ~3) | 4, true);
    } else view.setUint32(table + at, value ?? 0, true);
    driven.kick(0);
    expect(driven.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });
});

describe("a split queue's table", () => {
  it.each([
    ["a chain that loops", (view: DataView, table: number) => view.setUint16(table + 14, 0, true)],
    ["a next descriptor past the table", (view: DataView, table: number) => view.setUint16(table + 14, 8, true)],
  ])("refuses %s", (_, spoil) => {
    const driven = drive(counting());
    driven.queues[0]?.submit([], [4, 4]);
    spoil(new DataView(driven.memory.bytes.buffer), driven.queues[0]?.descriptors ?? 0);
    driven.kick(0);
    expect(driven.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });

  it.each([
    ["more buffers than entries", 2, 9],
    ["a head past the table", 4, 8],
  ])("refuses %s", (_, at, value) => {
    const driven = drive(counting());
    driven.queues[0]?.submit([], [4]);
    poke16(driven.memory.bytes, (driven.queues[0]?.driver ?? 0) + at, value);
    driven.kick(0);
    expect(driven.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });

  it("refuses an indirect table inside another", () => {
    const driven = drive(counting());
    const [queue] = driven.queues;
    queue?.submit([], [4, 4], true);
    const view = new DataView(driven.memory.bytes.buffer);
    const inner = Number(view.getBigUint64(queue?.descriptors ?? 0, true));
    view.setUint16(inner + 12, 4, true);
    driven.kick(0);
    expect(driven.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });
});

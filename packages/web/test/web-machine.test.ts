import { ECHO, HELLO, SPIN, TRIPLE_FAULT, tinyKernel } from "@tsvm-testing/fakes";
import { afterEach, describe, expect, it } from "vitest";
import {
  createWebMachine,
  exportWebDisk,
  overlayNameOf,
  type WebMachine,
  type WebMachineOptions,
} from "../src/index.ts";
import { createFakeWorker, type FakeWorker } from "./fake-worker.ts";

const workers: FakeWorker[] = [];
const machines: WebMachine[] = [];
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.close().catch(() => {});
  workers.length = 0;
});

const createWorker = (): Worker => {
  const worker = createFakeWorker();
  workers.push(worker);
  return worker;
};

const devices = [{ driver: "isa-debug-exit", properties: { iobase: 0xf4, iosize: 4 } }];

async function create(code: readonly number[], more: Partial<WebMachineOptions> = {}): Promise<WebMachine> {
  const kernel = tinyKernel(code);
  const machine = await createWebMachine({ kernel, memoryBytes: 4 << 20, devices, createWorker, ...more });
  machines.push(machine);
  return machine;
}

const text = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString();
const image = (fill: number): File => new File([new Uint8Array(64 * 512).fill(fill)], "disk.img");

describe("createWebMachine", () => {
  it("runs a kernel to its end, and carries what it prints", async () => {
    const printed: Uint8Array[] = [];
    const machine = await create(HELLO, {
      kernel: new Blob([tinyKernel(HELLO) as Uint8Array<ArrayBuffer>]),
      onSerial: (bytes) => void printed.push(bytes),
    });
    const events: string[] = [];
    machine.on(({ type }) => void events.push(type));
    expect(machine.state).toBe("created");
    expect(await machine.run()).toEqual({ reason: "debug-exit", value: 5 });
    expect([machine.state, events]).toEqual(["stopped", ["running", "stopped"]]);
    await expect.poll(() => text(printed)).toBe("Hi");
  });

  it("types what it is sent, whole", async () => {
    const printed: Uint8Array[] = [];
    const machine = await create(ECHO, {
      clock: "virtual",
      icountShift: 10,
      onSerial: (bytes) => void printed.push(bytes),
    });
    const typed = "tsvm ".repeat(1000);
    const stopped = machine.run();
    machine.send(typed);
    machine.send(Uint8Array.of(4));
    await stopped;
    await expect.poll(() => text(printed)).toBe(typed);
  });

  it("holds the guest, lets it go, and tells how it does", async () => {
    const machine = await create(SPIN, { disks: [{ image: image(1), writes: "drop" }] });
    void machine.run().catch(() => {});
    await expect.poll(async () => (await machine.status()).counters.instructions).toBeGreaterThan(1000);
    await machine.pause();
    const held = await machine.status();
    expect([machine.state, held.state]).toEqual(["paused", "paused"]);
    expect(held.disks).toEqual([{ name: "disk.img", bytes: 64 * 512, writes: "drop", keptBytes: 0 }]);
    expect((await machine.status()).counters).toEqual(held.counters);
    await machine.resume();
    await expect.poll(() => machine.state).toBe("running");
  });

  it("resets a guest that broke down, or ends with it, as asked", async () => {
    const machine = await create(TRIPLE_FAULT, { onCrash: "stop" });
    expect(await machine.run()).toEqual({ reason: "crash" });
    await machine.reset();
    expect((await machine.status()).counters.resets).toBe(1);
  });

  it("gives a disk as a file", async () => {
    const machine = await create(SPIN, { disks: [{ image: image(7), writes: "refuse" }] });
    const progress: unknown[] = [];
    const blob = await machine.exportDisk(0, (one) => progress.push(one));
    const bytes = new Uint8Array(await blob.arrayBuffer());
    expect(progress).toEqual([{ bytes: 0, totalBytes: 64 * 512 }]);
    expect([bytes.length, bytes.every((byte) => byte === 7)]).toEqual([64 * 512, true]);
    await expect(machine.exportDisk(1)).rejects.toMatchObject({ code: "CONFIG_OPTION" });
    const other = await exportWebDisk({ image: image(8), writes: "drop" }, () => {}, createWorker);
    expect(other.size).toBe(64 * 512);
  });

  it("can do nothing more once it is closed, and its worker is gone", async () => {
    const machine = await create(SPIN);
    const run = machine.run();
    await machine.close();
    await expect(run).rejects.toThrow("the machine was closed");
    await expect(machine.status()).rejects.toThrow("the machine was closed");
    expect(workers.every(({ isTerminated }) => isTerminated)).toBe(true);
  });

  it.each<[string, Partial<WebMachineOptions>, string, string]>([
    ["a kernel of no known format", { kernel: new Blob(["no kernel"]) }, "CONFIG_KERNEL_FORMAT", "'the bytes given': "],
    ["a named one", { kernel: new File(["no kernel"], "vmlinuz") }, "CONFIG_KERNEL_FORMAT", "'vmlinuz': kernel is not"],
    ["an empty initrd", { initrd: new File([], "initrd.gz") }, "CONFIG_INITRD", "'initrd.gz': initrd is empty"],
    ["an option out of range", { memoryBytes: 5 }, "CONFIG_OPTION", "memoryBytes 5"],
    ["half a sector of disk", { disks: [{ image: new Blob(["x"]) }] }, "BACKEND_SIZE", "shorter than one sector"],
    ["kept writes where none can be", { disks: [{ image: image(1) }] }, "BACKEND_UNAVAILABLE", "keeps no files"],
  ])("refuses %s in one line, and leaves no worker behind", async (_, options, code, words) => {
    const refusal = await create(SPIN, options).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(words) });
    expect((refusal as Error).message).not.toContain("\n");
    expect(workers.map(({ isTerminated }) => isTerminated)).toEqual([true]);
  });
});

it("keeps writes under the name of the file unless told otherwise", () => {
  expect(overlayNameOf({ image: image(1) })).toBe("disk.img");
  expect(overlayNameOf({ image: image(1), name: "mine" })).toBe("mine");
});

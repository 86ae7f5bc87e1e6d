import type { MachineStop, VcpuExit } from "@tsvm/contracts";
import { createVirtioRng } from "@tsvm/devices-virtio";
import { describe, expect, it } from "vitest";
import { createVirtualClock, microvmBoard, type PcOptions } from "../src/index.ts";
import { createFakeAccelerator, type FakeCpu } from "./fake-accelerator.ts";
import { makeElf } from "./make-elf.ts";

const MIB = 0x100000;
const TRIPLE_FAULT: VcpuExit = { reason: "shutdown" };
const WINDOWS = 0xfeb00000;

const kernel = makeElf({
  bits: 32,
  entry: MIB,
  load: [{ paddr: MIB, bytes: Uint8Array.of(0xfa, 0xf4), memoryBytes: 0x100 }],
  notes: [{ name: "Xen", type: 18, descriptor: Uint8Array.of(0, 0, 0x10, 0) }],
});

const host: PcOptions["host"] = {
  monotonicNs: () => 0,
  yieldToHost: async () => {},
  sleep: () => ({ done: Promise.resolve(), wake: () => {} }),
};

const rng = (name: string) => ({ virtio: createVirtioRng({ name, random: () => 5 }) });

/** Runs `program` once; the machine ends by what it does, or by a triple fault. */
function build(program: (cpu: FakeCpu) => void, change: Partial<PcOptions> = {}) {
  const accelerator = createFakeAccelerator((cpu) => {
    program(cpu);
    return TRIPLE_FAULT;
  });
  return microvmBoard.build(accelerator, { memoryBytes: 16 * MIB, kernel, host, ...change }, createVirtualClock());
}

describe("microvm board", () => {
  it("shows virtio devices behind windows of 512 bytes, in their order", async () => {
    const words: number[] = [];
    const machine = build(
      ({ load32 }) => {
        for (const i of [0, 1, 2]) words.push(load32(WINDOWS + 0x200 * i), load32(WINDOWS + 0x200 * i + 8));
      },
      { devices: [rng("a"), rng("b")] },
    );
    await machine.run();
    expect(words).toEqual([0x74726976, 4, 0x74726976, 4, 0xffffffff, 0xffffffff]);
    expect(machine.devices.map(({ name }) => name)).toEqual(expect.arrayContaining(["a", "b"]));
  });

  it("brings their interrupts in at the IOAPIC inputs that the tables name", async () => {
    const machine = build(
      ({ io, intr, load32, store32 }) => {
        io.out(0x21, 1, 0xff);
        store32(0xfee000f0, 0x1ff);
        store32(0xfec00000, 0x10 + 2 * 17);
        store32(0xfec00010, 0x8000 | 0x51);
        const at = WINDOWS + 0x200;
        // A driver whose queue lies outside RAM: the device asks for a reset, by an interrupt.
        for (const [offset, value] of [
          [0x70, 3],
          [0x24, 1],
          [0x20, 1],
          [0x70, 11],
          [0x90, 0x7fff0000],
          [0x38, 8],
          [0x44, 1],
        ] as const) {
          store32(at + offset, value);
        }
        expect(intr.pending).toBe(false);
        store32(at + 0x70, 15);
        expect([load32(at + 0x70) & 64, intr.pending, intr.acknowledge()]).toEqual([64, true, 0x51]);
      },
      { devices: [rng("a"), rng("b")] },
    );
    expect(await machine.run()).toEqual({ reason: "crash" });
    const bios = String.fromCharCode(...(machine.memory.view(0xf0000, 0x8000) ?? []));
    expect([bios.includes("LNRO0005"), bios.includes("VR01"), bios.includes("VR02")]).toEqual([true, true, false]);
  });

  it("has no PCI, no HPET and no keyboard controller, nor tables that speak of them", async () => {
    const machine = build(({ io, load32 }) => {
      io.out(0xcf8, 4, 0x80000000);
      expect([io.in(0xcf8, 4), io.in(0x64, 1), load32(0xfed00000), load32(0xe0000000)]).toEqual([
        0xffffffff, 0xff, 0xffffffff, 0xffffffff,
      ]);
    });
    expect(await machine.run()).toEqual({ reason: "crash" });
    const bios = String.fromCharCode(...(machine.memory.view(0xf0000, 0x8000) ?? []));
    expect(["MCFG", "HPET", "PCI0", "KBD_", "microvm"].map((word) => bios.includes(word))).toEqual([
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  it.each<[string, (cpu: FakeCpu) => void, MachineStop]>([
    ["S5 by PM1a_CNT", ({ io }) => io.out(0x604, 2, 0x3400), { reason: "shutdown" }],
    ["reset control register", ({ io }) => io.out(0xcf9, 1, 6), { reason: "reset" }],
  ])("stops by %s", async (_name, program, stop) => {
    expect(await build(program).run()).toEqual(stop);
  });

  it.each<[NonNullable<PcOptions["devices"]>, string]>([
    [[{ ...rng("a"), address: { slot: 3 } }], "device a: the microvm board has no PCI addresses"],
    [[{ name: "x", create: () => expect.unreachable() }], "device x: the microvm board has no PCI bus"],
    [[rng("a"), rng("a")], "device a: there are two of this name"],
    [Array.from({ length: 33 }, (_, i) => rng(`d${i}`)), "device d32: the microvm board takes 32 devices"],
  ])("refuses devices it cannot have: %#", (devices, message) => {
    expect(() => build(() => {}, { devices })).toThrow(expect.objectContaining({ code: "CONFIG_OPTION", message }));
  });
});

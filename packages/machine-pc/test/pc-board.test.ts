import type { Chardev, MachineStop, VcpuExit } from "@tsvm/contracts";
import { createVirtioRng } from "@tsvm/devices-virtio";
import { describe, expect, it } from "vitest";
import { createVirtualClock, type PcOptions, pcBoard } from "../src/index.ts";
import { createFakeAccelerator, type FakeCpu } from "./fake-accelerator.ts";
import { makeElf } from "./make-elf.ts";

const MIB = 0x100000;
const HLT: VcpuExit = { reason: "hlt" };
const INTR: VcpuExit = { reason: "intr" };
const TRIPLE_FAULT: VcpuExit = { reason: "shutdown" };

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

function build(program: (cpu: FakeCpu, slice: number) => VcpuExit, change: Partial<PcOptions> = {}) {
  const accelerator = createFakeAccelerator(program);
  const clock = createVirtualClock();
  const machine = pcBoard.build(accelerator, { memoryBytes: 16 * MIB, kernel, host, ...change }, clock);
  return { accelerator, clock, machine };
}

/** Keeps what it is given, and has no input. */
function createFakeChardev(): Chardev & { text: string } {
  return {
    text: "",
    write(bytes) {
      this.text += String.fromCharCode(...bytes);
    },
    read: () => new Uint8Array(),
    onInput: () => ({ dispose: () => {} }),
  };
}

/** Runs `program` once; the machine ends by what it does, or by a triple fault. */
async function runOnce(program: (cpu: FakeCpu) => void, change: Partial<PcOptions> = {}): Promise<MachineStop> {
  const { machine } = build((cpu) => {
    program(cpu);
    return TRIPLE_FAULT;
  }, change);
  return machine.run();
}

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;

/** PM1 status, enable and control; SLP_TYP 1 with SLP_EN; the FACS's waking vector. */
const PM1 = { STATUS: 0x600, ENABLE: 0x602, CONTROL: 0x604 } as const;
const SUSPEND = 0x2400;
const WAKING_VECTOR = 0xf0040 + 12;
const RTC_EVENT = 0x0400;

/** Alarm at the next second, and asleep. */
function suspend({ io }: FakeCpu): void {
  io.out(PM1.ENABLE, 2, RTC_EVENT);
  for (const [register, value] of [
    [1, 0xc0],
    [3, 0xc0],
    [5, 0xc0],
    [11, 0x22],
  ] as const) {
    io.out(0x70, 1, register);
    io.out(0x71, 1, value);
  }
  io.out(PM1.CONTROL, 2, SUSPEND);
}

describe("suspend to RAM", () => {
  it("runs nothing until the RTC's alarm, then the guest's own vector, with RAM as it was", async () => {
    const { machine, accelerator, clock } = build((cpu, slice) => {
      if (slice > 0) {
        expect([cpu.io.in(PM1.STATUS, 2), cpu.io.in(PM1.ENABLE, 2)]).toEqual([0x8400, RTC_EVENT]);
        return TRIPLE_FAULT;
      }
      machine.memory.write(WAKING_VECTOR, Uint8Array.of(0x34, 0x12, 9, 0));
      machine.memory.write(MIB, Uint8Array.of(0x90, 0x90));
      // The master's mask, as a register that does not live on.
      cpu.io.out(0x21, 1, 0x55);
      suspend(cpu);
      return INTR;
    });
    const resets = accelerator.resets;
    expect(await machine.run()).toEqual({ reason: "crash" });
    expect(clock.now()).toBeGreaterThan(100_000_000);
    expect(clock.now()).toBeLessThanOrEqual(1_100_000_000);
    expect(accelerator.resets).toBe(resets + 1);
    expect(accelerator.regs).toMatchObject({ rip: 4n, "cs.selector": 0x9123n, "cs.base": 0x91230n });
    expect([...(machine.memory.view(MIB, 2) ?? [])]).toEqual([0x90, 0x90]);
  });

  it("resets the machine of a guest that has left no vector", async () => {
    const { machine } = build((cpu) => {
      suspend(cpu);
      return INTR;
    });
    expect(await machine.run()).toEqual({ reason: "reset" });
  });

  it("is over with the reset button", async () => {
    const { machine, accelerator } = build((cpu, slice) => {
      if (slice > 0) return TRIPLE_FAULT;
      cpu.io.out(PM1.CONTROL, 2, SUSPEND);
      queueMicrotask(() => machine.pause());
      return INTR;
    });
    expect(await machine.run()).toEqual({ reason: "paused" });
    machine.reset();
    expect(await machine.run()).toEqual({ reason: "crash" });
    expect(accelerator.regs["rip"]).toBe(BigInt(MIB));
  });
});

describe("pc board", () => {
  it("loads the kernel and starts the vCPU at its entry", () => {
    const { accelerator, machine } = build(() => HLT);
    expect(accelerator.regs["rip"]).toBe(BigInt(MIB));
    expect([...(machine.memory.view(MIB, 3) ?? [])]).toEqual([0xfa, 0xf4, 0]);
    expect(accelerator.slots).toEqual(machine.memory.slots);
    expect(accelerator.slots[0]?.hva).toBe(accelerator.reservedBytes);
  });

  it("tells the accelerator of every write to RAM that is not a vCPU's", () => {
    const { accelerator, machine } = build(() => HLT);
    accelerator.hostWrites.length = 0;
    machine.memory.write(0x5000, Uint8Array.of(1, 2));
    expect(accelerator.hostWrites).toEqual([{ gpa: 0x5000, length: 2 }]);
  });

  it("refuses what cannot boot before the accelerator is asked for a machine", () => {
    const accelerator = createFakeAccelerator(() => HLT);
    const asked = { ...accelerator, createVm: () => expect.unreachable() };
    const options = { memoryBytes: 16 * MIB, kernel: new Uint8Array(100), host };
    expect(() => pcBoard.build(asked, options, createVirtualClock())).toThrow(
      expect.objectContaining({ code: "CONFIG_KERNEL_FORMAT" }),
    );
  });

  it.each<[string, (cpu: FakeCpu) => void, MachineStop]>([
    ["S5 by PM1a_CNT", ({ io }) => io.out(0x604, 2, 0x3400), { reason: "shutdown" }],
    ["reset control register", ({ io }) => io.out(0xcf9, 1, 6), { reason: "reset" }],
    ["system control port A", ({ io }) => io.out(0x92, 1, 1), { reason: "reset" }],
    ["keyboard controller", ({ io }) => io.out(0x64, 1, 0xfe), { reason: "reset" }],
    ["isa-debug-exit", ({ io }) => io.out(0xf4, 4, 0x21), { reason: "debug-exit", value: 0x21 }],
    ["triple fault", () => {}, { reason: "crash" }],
  ])("stops by %s", async (_name, program, stop) => {
    const debugExit = { iobase: 0xf4, iosize: 4 };
    expect(await runOnce(program, { debugExit })).toEqual(stop);
  });

  it("carries COM1 output to its chardev, all of it by the time the machine stops", async () => {
    const chardev = createFakeChardev();
    await runOnce(
      ({ io }) => {
        for (const character of "hi") io.out(0x3f8, 1, character.charCodeAt(0));
      },
      { serial: [chardev] },
    );
    expect(chardev.text).toBe("hi");
  });

  it("has as many serial ports as chardevs, and floating ports elsewhere", async () => {
    await runOnce(
      ({ io }) => {
        expect(io.in(0x3fd, 1)).toBe(0x60);
        expect(io.in(0x2fd, 1)).toBe(0xff);
        expect(io.in(0x5678, 4)).toBe(0xffffffff);
      },
      { serial: [createFakeChardev()] },
    );
  });

  it("brings the timer interrupt through PIC and local APIC to a halted vCPU", async () => {
    const vectors: number[] = [];
    const { machine, clock } = build(({ io, intr }, slice) => {
      if (slice === 0) {
        for (const [port, value] of [
          [0x20, 0x11],
          [0x21, 0x20],
          [0x21, 4],
          [0x21, 1],
          [0x21, 0xfe],
        ] as const) {
          io.out(port, 1, value);
        }
        // Counter 0, both bytes, mode 0: one interrupt after 1193 ticks.
        for (const [port, value] of [
          [0x43, 0x30],
          [0x40, 0xa9],
          [0x40, 0x04],
        ] as const)
          io.out(port, 1, value);
      }
      if (!intr.pending) return HLT;
      vectors.push(intr.acknowledge());
      return TRIPLE_FAULT;
    });
    expect(await machine.run()).toEqual({ reason: "crash" });
    expect(vectors).toEqual([0x20]);
    expect(clock.now()).toBeGreaterThan(999_000);
    expect(clock.now()).toBeLessThan(1_002_000);
  });

  it("brings COM1's interrupt in at IOAPIC input 4", async () => {
    await runOnce(
      ({ io, intr, store32 }) => {
        io.out(0x21, 1, 0xff);
        store32(0xfee000f0, 0x1ff);
        store32(0xfec00000, 0x10 + 2 * 4);
        store32(0xfec00010, 0x51);
        expect(intr.pending).toBe(false);
        io.out(0x3f9, 1, 2);
        expect(intr.pending).toBe(true);
        expect(intr.acknowledge()).toBe(0x51);
      },
      { serial: [createFakeChardev()] },
    );
  });

  it("moves the local APIC's window with IA32_APIC_BASE", async () => {
    await runOnce(({ intr, load32 }) => {
      const version = load32(0xfee00030);
      expect(version & 0xff).toBeGreaterThanOrEqual(0x10);
      expect(intr.writeMsr(0x1b, 0xfed80900n)).toBe(true);
      expect(load32(0xfee00030)).toBe(0xffffffff);
      expect(load32(0xfed80030)).toBe(version);
    });
  });

  it("shows a 440FX with its PIIX on the PCI bus", async () => {
    await runOnce(({ io }) => {
      const identity = (slot: number, fn: number): number => {
        io.out(CONFIG_ADDRESS, 4, (0x80000000 | (slot << 11) | (fn << 8)) >>> 0);
        return io.in(CONFIG_DATA, 4);
      };
      expect([identity(0, 0), identity(1, 0), identity(1, 3)]).toEqual([0x12378086, 0x70008086, 0x71138086]);
      expect(identity(2, 0)).toBe(0xffffffff);
    });
  });

  it("hands PCI functions over with their BARs placed and their lines named, after every reset", async () => {
    const devices = [{ virtio: createVirtioRng({ random: () => 0 }) }];
    const seen: number[][] = [];
    const { machine } = build(
      ({ io }) => {
        const registers = [0x04, 0x10, 0x14, 0x20, 0x3c].map((register) => {
          io.out(CONFIG_ADDRESS, 4, 0x80001000 + register);
          return io.in(CONFIG_DATA, 4);
        });
        seen.push(registers);
        io.out(CONFIG_DATA, 1, 0xff);
        io.out(0xcf9, 1, 6);
        return INTR;
      },
      { devices },
    );
    for (let i = 0; i < 2; i++) {
      expect(await machine.run()).toEqual({ reason: "reset" });
      machine.reset();
    }
    expect(seen[0]).toEqual([0x0010_0003, 0xc001, 0xc0000000, 0xc000400c, 0x010a]);
    expect(seen[1]).toEqual(seen[0]);
  });

  it("has an HPET unless told otherwise, in the tables too", async () => {
    const signatureOf = async (hpet: boolean): Promise<[number, boolean]> => {
      let low = 0;
      const { machine } = build(
        ({ load32 }) => {
          low = load32(0xfed00000);
          return TRIPLE_FAULT;
        },
        { hpet },
      );
      await machine.run();
      const bios = String.fromCharCode(...(machine.memory.view(0xf0000, 0x8000) ?? []));
      return [low, bios.includes("HPET")];
    };
    expect(await signatureOf(true)).toEqual([0x8086a201, true]);
    expect(await signatureOf(false)).toEqual([0xffffffff, false]);
  });

  it("has a VGA where one is asked for, and says in the FADT whether there is one", async () => {
    const seen = async (vga: boolean): Promise<number[]> => {
      let found: number[] = [];
      const { machine } = build(
        ({ io, load32 }) => {
          io.out(0x3d4, 2, 0x280f);
          found = [load32(0xb8000), io.in(0x3d5, 1)];
          return TRIPLE_FAULT;
        },
        { vga },
      );
      await machine.run();
      const bios = machine.memory.view(0xf0000, 0x8000) as Uint8Array;
      const fadt = String.fromCharCode(...bios).indexOf("FACP");
      const vgaNotPresent = 1 << 2;
      return [...found, (bios[fadt + 109] as number) & vgaNotPresent];
    };
    expect(await seen(true)).toEqual([0x07200720, 0x28, 0]);
    expect(await seen(false)).toEqual([0xffffffff, 0xff, 4]);
  });

  it("has a floating pointer structure where systems without ACPI look for one", () => {
    const { machine } = build(() => HLT);
    const bios = machine.memory.view(0xf0000, 0x10000) as Uint8Array;
    const at = Array.from({ length: 0x1000 }, (_, i) => 16 * i).filter(
      (offset) => String.fromCharCode(...bios.subarray(offset, offset + 4)) === "_MP_",
    );
    expect(at.length).toBe(1);
  });

  it("tells the size of RAM by fw_cfg", async () => {
    await runOnce(({ io }) => {
      io.out(0x510, 2, 3);
      const bytes = Array.from({ length: 8 }, () => io.in(0x511, 1));
      expect(bytes).toEqual([0, 0, 0, 1, 0, 0, 0, 0]);
    });
  });

  it("starts anew after reset: devices, registers and everything that was loaded", async () => {
    const { accelerator, machine } = build(({ io }) => {
      io.out(0x43, 1, 0x34);
      io.out(0xcf9, 1, 6);
      return INTR;
    });
    const resetsBefore = accelerator.resets;
    expect(await machine.run()).toEqual({ reason: "reset" });
    machine.memory.write(MIB, new Uint8Array(0x100).fill(9));
    accelerator.regs = {};
    machine.reset();
    expect(accelerator.resets).toBe(resetsBefore + 1);
    expect(accelerator.regs["rip"]).toBe(BigInt(MIB));
    expect([...(machine.memory.view(MIB, 3) ?? [])]).toEqual([0xfa, 0xf4, 0]);
    expect(await machine.run()).toEqual({ reason: "reset" });
  });

  it("pauses, before it runs and while it does", async () => {
    const { machine } = build((_, slice) => {
      if (slice === 2) machine.pause();
      return INTR;
    });
    machine.pause();
    expect(await machine.run()).toEqual({ reason: "paused" });
    expect(await machine.run()).toEqual({ reason: "paused" });
  });
});

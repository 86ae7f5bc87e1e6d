import type { Accelerator, InterruptPort, IoPort, MemorySlot, Vcpu, VcpuExit, Vm } from "@tsvm/contracts";

/** What a program of a {@link FakeAccelerator} sees: the vCPU's side of the board. */
export interface FakeCpu {
  readonly io: IoPort;
  readonly intr: InterruptPort;
  /** Little-endian, as a MOV from memory-mapped registers. */
  load32(gpa: number): number;
  store32(gpa: number, value: number): void;
}

/** Runs a function for a guest: each call of it is a slice. */
export interface FakeAccelerator extends Accelerator {
  readonly slots: (MemorySlot | undefined)[];
  readonly hostWrites: { readonly gpa: number; readonly length: number }[];
  /** Registers as last restored. */
  regs: Readonly<Record<string, bigint>>;
  resets: number;
}

export function createFakeAccelerator(program: (cpu: FakeCpu, slice: number) => VcpuExit): FakeAccelerator {
  const accelerator: FakeAccelerator = {
    name: "fake",
    reservedBytes: 0x20000,
    slots: [],
    hostWrites: [],
    regs: {},
    resets: 0,
    createVm: (): Vm => ({
      setMemorySlot(index, slot) {
        accelerator.slots[index] = slot;
      },
      takeDirtyLog: () => new Uint8Array(),
      noteHostWrite: (gpa, length) => void accelerator.hostWrites.push({ gpa, length }),
      createVcpu: (_id, intr, io) => createVcpu(accelerator, fakeCpu(intr, io), program),
    }),
  };
  return accelerator;
}

function fakeCpu(intr: InterruptPort, io: IoPort): FakeCpu {
  intr.onRaise(() => {});
  return {
    io,
    intr,
    load32(gpa) {
      const bytes = new Uint8Array(4);
      io.load(gpa, bytes);
      return new DataView(bytes.buffer).getUint32(0, true);
    },
    store32: (gpa, value) => io.store(gpa, new Uint8Array(Uint32Array.of(value).buffer)),
  };
}

function createVcpu(
  accelerator: FakeAccelerator,
  cpu: FakeCpu,
  program: (cpu: FakeCpu, slice: number) => VcpuExit,
): Vcpu {
  let slice = 0;
  let instructionCount = 0;
  return {
    run(budget) {
      const exit = program(cpu, slice++);
      if (exit.reason === "intr") instructionCount += budget;
      return exit;
    },
    kick: () => {},
    reset: () => void accelerator.resets++,
    get instructionCount() {
      return instructionCount;
    },
    describe: () => "",
    save: () => ({ regs: accelerator.regs }),
    restore({ regs }) {
      accelerator.regs = regs;
    },
  };
}

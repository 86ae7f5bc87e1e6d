import type { Clock, HostMemory, InterruptPort, IoPort, MemorySlot, Vcpu, Vm } from "@tsvm/contracts";
import type { CpuModel } from "@tsvm/cpu-x86";
import { GuestFrames } from "./guest-frames.ts";
import { TcgVcpu, type VcpuOptions } from "./vcpu.ts";

/** One virtual machine: memory slots and, for now, one vCPU. */
export class TcgVm implements Vm {
  readonly #host: HostMemory;
  readonly #clock: Clock;
  readonly #model: CpuModel;
  readonly #options: VcpuOptions;
  readonly #frames: GuestFrames;
  #vcpu: TcgVcpu | undefined;

  constructor(host: HostMemory, clock: Clock, model: CpuModel, options: VcpuOptions) {
    this.#host = host;
    this.#clock = clock;
    this.#model = model;
    this.#options = options;
    this.#frames = new GuestFrames(host.memory.buffer);
  }

  setMemorySlot(index: number, slot: MemorySlot | undefined): void {
    this.#frames.setSlot(index, slot);
    this.#vcpu?.memoryMapChanged();
  }

  takeDirtyLog(index: number): Uint8Array {
    const log = this.#frames.takeDirtyLog(index);
    this.#vcpu?.cpu.linear.flushAll();
    return log;
  }

  noteHostWrite(gpa: number, length: number): void {
    this.#frames.noteHostWrite(gpa, length);
  }

  createVcpu(id: number, interrupts: InterruptPort, io: IoPort): Vcpu {
    if (id !== 0 || this.#vcpu !== undefined) throw new Error("accel-tcg has one vCPU so far");
    this.#vcpu = new TcgVcpu({
      memory: this.#host.memory,
      frames: this.#frames,
      model: this.#model,
      clock: this.#clock,
      interrupts,
      io,
      options: this.#options,
    });
    return this.#vcpu;
  }
}

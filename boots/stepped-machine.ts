// A machine whose time is its instructions, stopped at exact ones: engines that stop in the same places can be compared there.
import { crc32 } from "node:zlib";
import { createTcgAccelerator } from "@tsvm/accel-tcg";
import { createMemoryChardev } from "@tsvm/backends";
import type { Vcpu } from "@tsvm/contracts";
import { createVirtualClock, type MachineClock, pcBoard } from "@tsvm/machine-pc";

/** Timers are looked at so often, in instructions. */
const SLICE = 500_000;
/** Furthest that a run can go past its budget: to the end of a block, or of a region's way back. */
const OVERRUN = 5_000;
const NOT_STATE = "pending.error";

export interface SteppedMachineOptions {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
  readonly memoryBytes: number;
  /** 0: everything is interpreted. */
  readonly heatLimit: number;
}

export class SteppedMachine {
  readonly #vcpu: Vcpu;
  readonly #clock: MachineClock;
  readonly #ram: Uint8Array;
  readonly #serial = createMemoryChardev();
  readonly #devices: { readonly save: () => unknown }[];

  constructor({ heatLimit, ...guest }: SteppedMachineOptions) {
    let next = 1;
    const accelerator = createTcgAccelerator({
      cpu: "max",
      heatLimit,
      random: () => (next = Math.imul(next, 69069) + 1),
    });
    const clock = createVirtualClock();
    let buffer: ArrayBufferLike | undefined;
    const watched: typeof accelerator = {
      ...accelerator,
      createVm(host, time) {
        buffer = host.memory.buffer;
        return accelerator.createVm(host, time);
      },
    };
    const host = {
      monotonicNs: () => 0,
      yieldToHost: async () => {},
      sleep: () => ({ done: Promise.resolve(), wake: () => {} }),
    };
    const machine = pcBoard.build(watched, { ...guest, host, serial: [this.#serial], rtcBaseMs: 0 }, clock);
    this.#vcpu = machine.vcpus[0] as Vcpu;
    this.#clock = clock;
    this.#devices = [...machine.devices];
    this.#ram = new Uint8Array(buffer as ArrayBufferLike, accelerator.reservedBytes);
    clock.resume();
  }

  get instructions(): number {
    return this.#vcpu.instructionCount;
  }

  /** What the guest has written to its first serial port. */
  get transcript(): string {
    return this.#serial.text();
  }

  /** What regions did. */
  get regionsMade(): number {
    return (this.#vcpu as unknown as { counters: { regionsMade: number } }).counters.regionsMade;
  }

  /** Up to exactly `count` instructions since power-on. @returns false: the machine waits for nothing, or has stopped. */
  runTo(count: number): boolean {
    while (this.instructions < count) {
      this.#clock.fireDue();
      const target = Math.min(count, (Math.floor(this.instructions / SLICE) + 1) * SLICE);
      const reason = this.#runExactly(target);
      if (reason === "hlt" ? !this.#clock.skipIdle() : reason !== "intr") return false;
    }
    return true;
  }

  #runExactly(target: number): string {
    const vcpu = this.#vcpu;
    const ahead = target - OVERRUN - vcpu.instructionCount;
    let reason: string = ahead > 0 ? vcpu.run(ahead).reason : "intr";
    while (reason === "intr" && vcpu.instructionCount < target) reason = vcpu.run(1).reason;
    if (vcpu.instructionCount > target)
      throw new Error(`a run went ${vcpu.instructionCount - target} instructions too far`);
    return reason;
  }

  /** One number for all registers and devices. */
  hashOfState(): number {
    const { regs } = this.#vcpu.save();
    const pending = regs["pending.vector"] !== 0n;
    const names = Object.keys(regs).filter((name) => name !== NOT_STATE || pending);
    const devices = this.#devices.map((device) => device.save());
    const text = JSON.stringify([names.map((name) => [name, regs[name]]), devices], plain);
    return crc32(text);
  }

  hashOfMemory(): number {
    return crc32(this.#ram);
  }
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString(16);
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

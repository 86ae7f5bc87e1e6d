import type { Accelerator, Board, Device, Machine, MachineStop, Vcpu } from "@tsvm/contracts";
import { allocateHostMemory, createRam, type Ram } from "@tsvm/memory";
import type { BootImage } from "../boot/boot-image.ts";
import { loadKernel } from "../boot/load-kernel.ts";
import { placeSegments } from "../boot/place-image.ts";
import type { MachineClock } from "../clock/machine-clock.ts";
import { acpiPlatform } from "./acpi-platform.ts";
import { buildFirmware } from "./firmware.ts";
import { type MemoryMap, planMemory } from "./memory-map.ts";
import { type PcOptions, type ResolvedPcOptions, resolvePcOptions } from "./options.ts";
import { createPcDevices, type PcDevices } from "./pc-devices.ts";
import { createRunLoop, type RunLoop } from "./run-loop.ts";
import { createIoPort, wakingPort } from "./vcpu-ports.ts";

/** A {@link Machine} whose RAM can be looked at. */
export interface PcMachine extends Machine {
  readonly memory: Ram;
}

/** The board's own type: its run loop needs a clock it can drive. */
export interface PcBoard extends Board<PcOptions> {
  /** @throws ConfigError if options, kernel or initrd cannot be used, before anything was allocated. */
  build(accel: Accelerator, options: PcOptions, clock: MachineClock): PcMachine;
}

/** A PC as QEMU's `-machine pc`: 440FX, PIIX, PIC and IOAPIC, HPET, ACPI; what it boots is loaded at power-on. */
export const pcBoard: PcBoard = { name: "pc", build: buildPc };

function buildPc(accel: Accelerator, options: PcOptions, clock: MachineClock): PcMachine {
  const resolved = resolvePcOptions(options);
  const map = planMemory(resolved.memoryBytes, accel.reservedBytes);
  const image = makeImage(resolved, map);
  const host = allocateHostMemory({ reservedBytes: accel.reservedBytes, ramBytes: resolved.memoryBytes });
  const memory = createRam({ host, slots: map.slots });

  // Wired in a ring: devices stop the loop, the loop runs the vCPU, the vCPU talks to the devices.
  const devices = createPcDevices({ options: resolved, clock, memory, stop: (why) => loop.stop(why) });
  const vm = accel.createVm(host, clock);
  for (const [index, slot] of map.slots.entries()) vm.setMemorySlot(index, slot);
  memory.observe((gpa, length) => vm.noteHostWrite(gpa, length));
  const { pio, mmio } = devices.bus;
  const port = wakingPort(devices.interrupts, () => loop.wake());
  const vcpu = vm.createVcpu(0, port, createIoPort(pio, mmio));
  const loop = createRunLoop({ vcpu, clock, host: resolved.host });

  const machine = new Pc(memory, devices, vcpu, loop, image);
  machine.reset();
  return machine;
}

/** Firmware tables and kernel; MTRRs as firmware leaves them: on, and memory write-back by default. */
function makeImage(options: ResolvedPcOptions, map: MemoryMap): BootImage {
  const { kernel, kernelName, modules, commandLine, cpu } = options;
  const firmware = buildFirmware(acpiPlatform(options, map), options);
  const image = loadKernel({
    kernel,
    kernelName,
    modules,
    commandLine,
    memoryMap: map.e820,
    rsdpGpa: firmware.rsdpGpa,
    longMode: cpu.longMode ?? true,
  });
  return {
    segments: [...firmware.segments, ...image.segments],
    regs: { ...image.regs, "msr.2ff": MTRR_ENABLE | MTRR_WRITE_BACK },
  };
}

/** IA32_MTRR_DEF_TYPE. SDM vol. 3A, "IA32_MTRR_DEF_TYPE MSR". */
const MTRR_ENABLE = 1n << 11n;
const MTRR_WRITE_BACK = 6n;

class Pc implements PcMachine {
  readonly memory: Ram;
  readonly vcpus: readonly Vcpu[];
  readonly #devices: PcDevices;
  readonly #vcpu: Vcpu;
  readonly #loop: RunLoop;
  readonly #image: BootImage;

  constructor(memory: Ram, devices: PcDevices, vcpu: Vcpu, loop: RunLoop, image: BootImage) {
    this.memory = memory;
    this.#devices = devices;
    this.#vcpu = vcpu;
    this.vcpus = [vcpu];
    this.#loop = loop;
    this.#image = image;
  }

  get devices(): readonly Device[] {
    return this.#devices.bus.devices;
  }

  async run(): Promise<MachineStop> {
    const why = await this.#loop.run();
    this.#devices.flush();
    return why;
  }

  pause(): void {
    this.#loop.stop({ reason: "paused" });
  }

  reset(): void {
    for (const device of this.devices) device.reset();
    this.#vcpu.reset();
    placeSegments(this.memory, this.#image.segments);
    this.#vcpu.restore({ regs: this.#image.regs });
  }
}

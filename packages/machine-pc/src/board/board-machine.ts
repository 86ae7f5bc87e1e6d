import { type Accelerator, type Device, invariant, type Machine, type MachineStop, type Vcpu } from "@tsvm/contracts";
import { allocateHostMemory, createRam, type Ram } from "@tsvm/memory";
import type { AcpiPlatform } from "../acpi/platform.ts";
import type { BootImage } from "../boot/boot-image.ts";
import { loadKernel } from "../boot/load-kernel.ts";
import { placeSegments } from "../boot/place-image.ts";
import type { MachineClock } from "../clock/machine-clock.ts";
import type { BoardDevices, BoardWiring } from "./chip-set.ts";
import { buildFirmware } from "./firmware.ts";
import { romSegments } from "./firmware-rom.ts";
import type { MemoryMap } from "./memory-map.ts";
import type { ResolvedPcOptions } from "./options.ts";
import { createRunLoop, type RunLoop } from "./run-loop.ts";
import { createIoPort, wakingPort } from "./vcpu-ports.ts";

/** A {@link Machine} whose RAM can be looked at. */
export interface PcMachine extends Machine {
  readonly memory: Ram;
}

/** What makes one board of the family different from another. */
export interface BoardPlan {
  /** What the guest reads as the product's name. */
  readonly product: string;
  readonly options: ResolvedPcOptions;
  readonly map: MemoryMap;
  /** What the firmware tables say. */
  readonly acpi: AcpiPlatform;
  readonly createDevices: (wiring: BoardWiring) => BoardDevices;
}

/**
 * Puts a machine together and powers it on.
 * @throws ConfigError if kernel or initrd cannot be used, before anything was allocated.
 */
export function assembleMachine(accel: Accelerator, clock: MachineClock, plan: BoardPlan): PcMachine {
  const { options, map } = plan;
  const image = makeImage(plan);
  const host = allocateHostMemory({ reservedBytes: accel.reservedBytes, ramBytes: options.memoryBytes });
  const memory = createRam({ host, slots: map.slots });

  // Wired in a ring: devices stop the loop, the loop runs the vCPU, the vCPU talks to the devices.
  const devices = plan.createDevices({ options, map, clock, memory, stop: (why) => loop.stop(why) });
  const vm = accel.createVm(host, clock);
  for (const [index, slot] of map.slots.entries()) vm.setMemorySlot(index, slot);
  memory.observe((gpa, length) => vm.noteHostWrite(gpa, length));
  const { pio, mmio } = devices.bus;
  const port = wakingPort(devices.interrupts, () => loop.wake());
  const vcpu = vm.createVcpu(0, port, createIoPort(pio, mmio));
  const loop = createRunLoop({ vcpu, clock, host: options.host });

  const machine = new BoardMachine(memory, devices, vcpu, loop, image);
  machine.reset();
  return machine;
}

/** A ROM and nothing else; or what firmware leaves, tables and kernel: MTRRs as firmware leaves them: on, and memory write-back by default. */
function makeImage({ product, options, map, acpi }: BoardPlan): BootImage {
  const { kernel, firmware: rom, kernelName, modules, commandLine, cpu } = options;
  if (rom !== undefined) return { segments: romSegments(rom), regs: {} };
  invariant(kernel !== undefined, "there is a kernel where there is no firmware");
  const firmware = buildFirmware(acpi, { product, memoryBytes: options.memoryBytes, uuid: options.uuid });
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

class BoardMachine implements PcMachine {
  readonly memory: Ram;
  readonly vcpus: readonly Vcpu[];
  readonly #devices: BoardDevices;
  readonly #vcpu: Vcpu;
  readonly #loop: RunLoop;
  readonly #image: BootImage;

  constructor(memory: Ram, devices: BoardDevices, vcpu: Vcpu, loop: RunLoop, image: BootImage) {
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
    this.#devices.setUp();
    this.#vcpu.reset();
    placeSegments(this.memory, this.#image.segments);
    this.#vcpu.restore({ regs: this.#image.regs });
  }
}

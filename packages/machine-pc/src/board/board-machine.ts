import {
  type Accelerator,
  type Device,
  type Gpa,
  invariant,
  type Machine,
  type MachineStop,
  type Vcpu,
} from "@tsvm/contracts";
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
import { createRunLoop, type RunLoop, type Suspension } from "./run-loop.ts";
import { createIoPort, wakingPort } from "./vcpu-ports.ts";
import { FIRMWARE_MTRRS, wakingRegisters } from "./waking.ts";

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
  const devices = plan.createDevices({
    options,
    map,
    clock,
    memory,
    stop: (why) => loop.stop(why),
    suspend: () => vcpu.kick(),
    wake: () => loop.wake(),
  });
  const vm = accel.createVm(host, clock);
  for (const [index, slot] of map.slots.entries()) vm.setMemorySlot(index, slot);
  memory.observe((gpa, length) => vm.noteHostWrite(gpa, length));
  const { pio, mmio } = devices.bus;
  const port = wakingPort(devices.interrupts, () => loop.wake());
  const vcpu = vm.createVcpu(0, port, createIoPort(pio, mmio));
  const suspension: Suspension = {
    get asleep() {
      return devices.power.asleep;
    },
    wakeIfDue: () => machine.wakeIfDue(),
  };
  const loop = createRunLoop({ vcpu, clock, host: options.host, suspension });

  const machine = new BoardMachine(memory, devices, vcpu, loop, image);
  machine.reset();
  return machine;
}

/** A ROM and nothing else; or what firmware leaves, tables, MTRRs and kernel. */
function makeImage({ product, options, map, acpi }: BoardPlan): PowerOnImage {
  const { kernel, firmware: rom, kernelName, modules, commandLine, cpu } = options;
  if (rom !== undefined) return { segments: romSegments(rom), regs: {}, facsGpa: undefined };
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
    regs: { ...image.regs, ...FIRMWARE_MTRRS },
    facsGpa: firmware.facsGpa,
  };
}

/** What is there at power-on, and what waking up looks for. */
interface PowerOnImage extends BootImage {
  /** Where the guest leaves its waking vector; undefined: that is the business of the guest's own firmware. */
  readonly facsGpa: Gpa | undefined;
}

class BoardMachine implements PcMachine {
  readonly memory: Ram;
  readonly vcpus: readonly Vcpu[];
  readonly #devices: BoardDevices;
  readonly #vcpu: Vcpu;
  readonly #loop: RunLoop;
  readonly #image: PowerOnImage;

  constructor(memory: Ram, devices: BoardDevices, vcpu: Vcpu, loop: RunLoop, image: PowerOnImage) {
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

  /** From S3, if an event is there: RAM is as it was, all else as after a reset, and the guest's own vector comes next. */
  wakeIfDue(): boolean {
    const { power } = this.#devices;
    if (!power.wakeDue) return false;
    for (const device of this.devices) if (device !== power) device.reset();
    this.#devices.setUp();
    this.#vcpu.reset();
    const { facsGpa } = this.#image;
    const regs = facsGpa === undefined ? {} : wakingRegisters(this.memory, facsGpa);
    power.wake();
    if (regs === undefined) this.#loop.stop({ reason: "reset" });
    else this.#vcpu.restore({ regs });
    return true;
  }
}

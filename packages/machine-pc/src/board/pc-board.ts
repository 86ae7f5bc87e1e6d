import type { Accelerator, Board } from "@tsvm/contracts";
import type { MachineClock } from "../clock/machine-clock.ts";
import { pcPlatform } from "./acpi-platform.ts";
import { assembleMachine, type PcMachine } from "./board-machine.ts";
import { planMemory } from "./memory-map.ts";
import { type PcOptions, resolvePcOptions } from "./options.ts";
import { createPcDevices } from "./pc-devices.ts";

/** The boards' own type: their run loop needs a clock it can drive. */
export interface PcBoard extends Board<PcOptions> {
  /** @throws ConfigError if options, kernel or initrd cannot be used, before anything was allocated. */
  build(accel: Accelerator, options: PcOptions, clock: MachineClock): PcMachine;
}

/** A PC as QEMU's `-machine pc`: 440FX, PIIX, PIC and IOAPIC, HPET, ACPI; what it boots is loaded at power-on. */
export const pcBoard: PcBoard = {
  name: "pc",
  build(accel, given, clock) {
    const options = resolvePcOptions(given, { board: "pc", hasPci: true, hpet: true });
    const map = planMemory(options.memoryBytes, accel.reservedBytes, "pci", options.firmware?.length);
    const acpi = pcPlatform(options, map);
    return assembleMachine(accel, clock, { product: "pc", options, map, acpi, createDevices: createPcDevices });
  },
};

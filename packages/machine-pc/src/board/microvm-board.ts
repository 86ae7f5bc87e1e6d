import { microvmPlatform } from "./acpi-platform.ts";
import { assembleMachine } from "./board-machine.ts";
import { planMemory } from "./memory-map.ts";
import { createMicrovmDevices } from "./microvm-devices.ts";
import { resolvePcOptions } from "./options.ts";
import type { PcBoard } from "./pc-board.ts";

/**
 * The least a kernel boots on, as QEMU's `-machine microvm`: APICs, PIC, PIT, RTC, a serial port, ACPI, and virtio devices
 * behind windows of memory that ACPI lists. No PCI, no HPET, no keyboard controller: a guest finds nothing to wait for.
 */
export const microvmBoard: PcBoard = {
  name: "microvm",
  build(accel, given, clock) {
    const options = resolvePcOptions(given, { board: "microvm", hasPci: false, hpet: false });
    const map = planMemory(options.memoryBytes, accel.reservedBytes, "none", options.firmware?.length);
    const acpi = microvmPlatform(options);
    return assembleMachine(accel, clock, {
      product: "microvm",
      options,
      map,
      acpi,
      createDevices: createMicrovmDevices,
    });
  },
};

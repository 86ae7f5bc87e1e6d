import {
  DEFAULT_S5_SLEEP_TYPE,
  ECAM_LENGTH,
  PM_TIMER_OFFSET,
  PM1_CONTROL_OFFSET,
  PM1_EVENT_OFFSET,
  RESET_VALUE,
  S3_SLEEP_TYPE,
} from "@tsvm/devices-pc";
import type { AcpiPlatform } from "../acpi/platform.ts";
import { ISA_TIMER_GSI, PCI_ROUTES } from "./interrupt-lines.ts";
import { GPA, type MemoryMap } from "./memory-map.ts";
import { virtioWindow } from "./microvm-map.ts";
import type { ResolvedPcOptions } from "./options.ts";
import { IRQ, PORT, SERIAL_PORTS } from "./port-map.ts";

/** What both boards have, from the constants they are wired by. */
function commonPlatform(options: ResolvedPcOptions) {
  return {
    cpuCount: options.cpuCount,
    localApicGpa: GPA.LAPIC,
    ioApicGpa: GPA.IOAPIC,
    ioApicId: 0,
    interruptOverrides: [
      { irq: IRQ.PIT, gsi: ISA_TIMER_GSI, levelTriggered: false },
      { irq: IRQ.SCI, gsi: IRQ.SCI, levelTriggered: true },
    ],
    hpetGpa: options.hpet ? GPA.HPET : undefined,
    pm: {
      eventPort: PORT.ACPI_PM + PM1_EVENT_OFFSET,
      controlPort: PORT.ACPI_PM + PM1_CONTROL_OFFSET,
      timerPort: PORT.ACPI_PM + PM_TIMER_OFFSET,
      timer32: true,
      sciIrq: IRQ.SCI,
      s5SleepType: DEFAULT_S5_SLEEP_TYPE,
    },
    reset: { port: PORT.RESET_CONTROL, value: RESET_VALUE },
    serialPorts: SERIAL_PORTS.slice(0, options.serial.length),
    fwCfgPort: PORT.FW_CFG,
    vga: options.vga,
  } satisfies Partial<AcpiPlatform>;
}

/** The `pc` board as its ACPI tables describe it. */
export function pcPlatform(options: ResolvedPcOptions, map: MemoryMap): AcpiPlatform {
  const common = commonPlatform(options);
  return {
    ...common,
    pm: { ...common.pm, s3SleepType: S3_SLEEP_TYPE },
    keyboardController: true,
    pci: { ecam: { gpa: GPA.ECAM, length: ECAM_LENGTH }, memory: map.pciHoles, interrupts: PCI_ROUTES },
    virtioWindows: [],
  };
}

/** The `microvm` board as its ACPI tables describe it. */
export function microvmPlatform(options: ResolvedPcOptions): AcpiPlatform {
  return {
    ...commonPlatform(options),
    keyboardController: false,
    pci: undefined,
    virtioWindows: options.devices.map((_, i) => virtioWindow(i)),
  };
}

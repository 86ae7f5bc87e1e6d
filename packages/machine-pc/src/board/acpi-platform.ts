import {
  DEFAULT_S5_SLEEP_TYPE,
  ECAM_LENGTH,
  PM_TIMER_OFFSET,
  PM1_CONTROL_OFFSET,
  PM1_EVENT_OFFSET,
  RESET_VALUE,
} from "@tsvm/devices-pc";
import type { AcpiPlatform } from "../acpi/platform.ts";
import { ISA_TIMER_GSI, PCI_ROUTES } from "./interrupt-lines.ts";
import { GPA, type MemoryMap } from "./memory-map.ts";
import type { ResolvedPcOptions } from "./options.ts";
import { IRQ, PORT, SERIAL_PORTS } from "./port-map.ts";

/** The board as its ACPI tables describe it: from the constants it is wired by. */
export function acpiPlatform(options: ResolvedPcOptions, map: MemoryMap): AcpiPlatform {
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
    ecam: { gpa: GPA.ECAM, length: ECAM_LENGTH },
    pciMemory: map.pciHoles,
    pciInterrupts: PCI_ROUTES,
  };
}

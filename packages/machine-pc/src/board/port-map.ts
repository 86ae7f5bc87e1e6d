/** Ports of a PC, as QEMU's `pc` board has them. */
export const PORT = {
  PIC_MASTER: 0x20,
  PIT: 0x40,
  I8042_DATA: 0x60,
  SYSTEM_CONTROL_B: 0x61,
  I8042_COMMAND: 0x64,
  RTC: 0x70,
  SYSTEM_CONTROL_A: 0x92,
  TEST_DEVICE: 0xe0,
  TEST_DEVICE_FLUSH: 0xe4,
  TEST_DEVICE_BYTES: 0xe8,
  PIC_SLAVE: 0xa0,
  VGA_MONOCHROME: 0x3b0,
  VGA: 0x3c0,
  VGA_COLOUR: 0x3d0,
  ELCR: 0x4d0,
  FW_CFG: 0x510,
  ACPI_PM: 0x600,
  PCI_CONFIG: 0xcf8,
  RESET_CONTROL: 0xcf9,
  TEST_DEVICE_INTERRUPTS: 0x2000,
} as const;

/** ISA interrupts. */
export const IRQ = {
  PIT: 0,
  KEYBOARD: 1,
  RTC: 8,
  SCI: 9,
  MOUSE: 12,
} as const;

/** COM1 to COM4. */
export const SERIAL_PORTS: readonly { readonly port: number; readonly irq: number }[] = [
  { port: 0x3f8, irq: 4 },
  { port: 0x2f8, irq: 3 },
  { port: 0x3e8, irq: 4 },
  { port: 0x2e8, irq: 3 },
];

// What the options may name. Frontends print these tables, and error messages offer their nearest entry.

/** A number property of a device. */
export interface DeviceProperty {
  readonly help: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** Boards by name. */
export const MACHINES: Readonly<Record<string, string>> = {
  pc: "Standard PC (i440FX + PIIX, direct kernel boot)",
};

/** Accelerators by name. */
export const ACCELERATORS: Readonly<Record<string, string>> = {
  tcg: "software CPU: interpreter and translator on WebAssembly",
};

/** Devices for the `devices` option. Names, properties and defaults are QEMU's. */
export const DEVICE_TYPES: Readonly<
  Record<string, { readonly help: string; readonly properties: Readonly<Record<string, DeviceProperty>> }>
> = {
  "isa-debug-exit": {
    help: "ends the machine when written to; exit code (value << 1) | 1",
    properties: {
      iobase: { help: "first I/O port", default: 0x501, min: 0, max: 0xffff },
      iosize: { help: "number of I/O ports", default: 2, min: 1, max: 0x1000 },
    },
  },
};

/** Log categories by name, as QEMU's `-d`. */
export const LOG_CATEGORIES: Readonly<Record<string, string>> = {
  cpu_reset: "registers before every reset",
};

/** CPU models by name. */
export const CPU_MODELS: Readonly<Record<string, string>> = {
  max: "everything tsvm has",
  qemu64: "QEMU's default CPU: x86-64 with SSE3",
  "x86-64-v2": "x86-64 psABI level 2: SSE4.2, SSSE3, POPCNT, CMPXCHG16B",
  "486": "Intel 80486: 32 bits, no MMX, no TSC",
};

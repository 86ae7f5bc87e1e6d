// What the options may name. Frontends print these tables, and error messages offer their nearest entry.
import { CPU_FEATURE_NAMES, CPU_MODEL_HELP, TCG_LOG_CATEGORIES } from "@tsvm/accel-tcg";

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
  ...TCG_LOG_CATEGORIES,
  cpu_reset: "registers before every reset, and triple faults",
};

/** CPU models by name. */
export const CPU_MODELS: Readonly<Record<string, string>> = CPU_MODEL_HELP;

/** CPU features by name, for the `cpu` option. */
export const CPU_FEATURES: readonly string[] = CPU_FEATURE_NAMES;

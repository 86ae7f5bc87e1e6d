// What the options may name. Frontends print these tables, and error messages offer their nearest entry.
import { CPU_FEATURE_NAMES, CPU_MODEL_HELP, TCG_LOG_CATEGORIES } from "@tsvm/accel-tcg";

/** Boards by name. */
export const MACHINES: Readonly<Record<string, string>> = {
  pc: "Standard PC (i440FX + PIIX, direct kernel boot)",
  microvm: "minimal machine: virtio-mmio, no PCI (direct kernel boot)",
};

/** What each board's virtio devices are on. */
export const MACHINE_BUSES: Readonly<Record<string, "pci" | "virtio-mmio">> = { pc: "pci", microvm: "virtio-mmio" };

/** Accelerators by name. */
export const ACCELERATORS: Readonly<Record<string, string>> = {
  tcg: "software CPU: interpreter and translator on WebAssembly",
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

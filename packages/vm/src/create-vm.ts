import { createTcgAccelerator } from "@tsvm/accel-tcg";
import { pcBoard } from "@tsvm/machine-pc";
import { assembleVm, type VmParts } from "./assemble-vm.ts";
import { hasLongMode } from "./cpu-string.ts";
import type { VmOptions } from "./options.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

const PARTS: VmParts = {
  boards: { pc: pcBoard },
  accelerators: {
    tcg: (choice) => ({
      accelerator: createTcgAccelerator(choice),
      cpu: { longMode: hasLongMode(choice.cpu), tscHz: 1_000_000_000 },
    }),
  },
};

/**
 * Builds a machine with its kernel loaded, not yet running.
 * @throws ConfigError of one line naming the option that cannot be used, and why.
 */
export function createVm(options: VmOptions): Promise<VirtualMachine> {
  return assembleVm(options, PARTS);
}

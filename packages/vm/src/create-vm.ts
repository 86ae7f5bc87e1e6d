import { createTcgAccelerator } from "@tsvm/accel-tcg";
import { microvmBoard, pcBoard } from "@tsvm/machine-pc";
import { assembleVm, type VmParts } from "./assemble-vm.ts";
import type { VmOptions } from "./options.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

const PARTS: VmParts = {
  boards: { pc: pcBoard, microvm: microvmBoard },
  accelerators: { tcg: createTcgAccelerator },
};

/**
 * Builds a machine with its kernel loaded, not yet running.
 * @throws ConfigError of one line naming the option that cannot be used, and why.
 */
export function createVm(options: VmOptions): Promise<VirtualMachine> {
  return assembleVm(options, PARTS);
}

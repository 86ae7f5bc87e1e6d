export {
  ACCELERATORS,
  CPU_FEATURES,
  CPU_MODELS,
  DEVICE_TYPES,
  type DeviceProperty,
  LOG_CATEGORIES,
  MACHINES,
} from "./catalog.ts";
export { createVm } from "./create-vm.ts";
export { createMonitorCommands } from "./monitor-commands.ts";
export { nearest, suggest } from "./nearest.ts";
export type { DeviceOptions, DiskOptions, LogOptions, VmOptions } from "./options.ts";
export { checkVmOptions } from "./resolve-options.ts";
export type { VirtualMachine, VmCounters, VmEvent, VmState } from "./virtual-machine.ts";

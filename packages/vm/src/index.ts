export type { Disassemble, DisassembledInsn, RegionUse, SideExitSite, TranslationProfile } from "@tsvm/accel-tcg";
export {
  ACCELERATORS,
  CPU_FEATURES,
  CPU_MODELS,
  LOG_CATEGORIES,
  MACHINES,
} from "./catalog.ts";
export { createVm } from "./create-vm.ts";
export { DEVICE_TYPES, type DeviceKind, type DeviceType, virtioSuffix } from "./devices/device-types.ts";
export type { MemoryBalloon } from "./devices/memory-balloon.ts";
export type { DeviceProperty } from "./devices/property.ts";
export { createMonitorCommands } from "./monitor-commands.ts";
export { nearest, suggest } from "./nearest.ts";
export type { DeviceOptions, DiskOptions, LogOptions, VmOptions } from "./options.ts";
export { checkVmOptions } from "./resolve-options.ts";
export { translationText } from "./translation-report.ts";
export type { VirtualMachine, VmCounters, VmEvent, VmState } from "./virtual-machine.ts";

export type { BoardDevice, PciAddress, PciBoardDevice, VirtioBoardDevice } from "./board/board-device.ts";
export type { CpuTraits, PcOptions } from "./board/options.ts";
export { type PcBoard, type PcMachine, pcBoard } from "./board/pc-board.ts";
export type { HostSleep, MachineHost } from "./board/run-loop.ts";
export type { BootModule } from "./boot/boot-image.ts";
export { detectKernelFormat, type KernelFormat } from "./boot/load-kernel.ts";
export type { MachineClock } from "./clock/machine-clock.ts";
export { createRealTimeClock, type MonotonicSource } from "./clock/real-time-clock.ts";
export { createVirtualClock, type VirtualClockOptions } from "./clock/virtual-clock.ts";

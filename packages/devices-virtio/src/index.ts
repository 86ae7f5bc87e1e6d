export {
  BALLOON_STATISTICS,
  type BalloonStatistic,
  createVirtioBalloon,
  type VirtioBalloon,
  type VirtioBalloonOptions,
  type VirtioBalloonState,
} from "./balloon/virtio-balloon.ts";
export type { VirtioBlockOptions } from "./block/block-options.ts";
export { createVirtioBlock, type VirtioBlockState } from "./block/virtio-block.ts";
export type { ConsoleSize, VirtioSerialOptions, VirtioSerialPort } from "./console/serial-options.ts";
export { createVirtioSerial, type VirtioSerial, type VirtioSerialState } from "./console/virtio-serial.ts";
export * from "./device/model.ts";
export type { QueueRegisters, QueueState } from "./device/queue-slot.ts";
export type { CoreState } from "./device/virtio-core.ts";
export type { ChainSegment, ChainState, DescriptorChain } from "./queue/descriptor-chain.ts";
export { drainQueue } from "./queue/drain.ts";
export type { ReturnedChain, Virtqueue, VirtqueueState } from "./queue/virtqueue.ts";
export { createVirtioRng, type VirtioRngOptions, type VirtioRngState } from "./rng/virtio-rng.ts";
export { createVirtioMmio, type VirtioMmioOptions, type VirtioMmioState } from "./transport/mmio.ts";
export {
  createVirtioPci,
  type VirtioPci,
  type VirtioPciFace,
  type VirtioPciOptions,
  type VirtioPciPort,
  type VirtioPciState,
} from "./transport/pci.ts";

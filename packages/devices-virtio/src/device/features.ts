/** Feature bits of queues and transport, as masks. Virtio 1.2, "Reserved Feature Bits". */
export const VIRTIO_F_INDIRECT_DESC: bigint = 1n << 28n;
export const VIRTIO_F_EVENT_IDX: bigint = 1n << 29n;
export const VIRTIO_F_VERSION_1: bigint = 1n << 32n;
export const VIRTIO_F_RING_PACKED: bigint = 1n << 34n;
export const VIRTIO_F_IN_ORDER: bigint = 1n << 35n;
export const VIRTIO_F_RING_RESET: bigint = 1n << 40n;

/** Framing of descriptors means nothing. Always so by the standard, and offered to those before it only. */
export const LEGACY_F_ANY_LAYOUT = 0x0800_0000;

/** What every device here offers beside its own features. */
export const COMMON_FEATURES: bigint =
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_EVENT_IDX |
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_RING_RESET;

/** Word `select` of a feature set as the transports show it: 32 bits at a time, zeros past the end. */
export function featureWord(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffff_ffffn);
}

/** The driver may go on with `accepted`: nothing that was not offered, and the modern interface. */
export function areFeaturesAcceptable(accepted: bigint, offered: bigint): boolean {
  return (accepted & ~offered) === 0n && (accepted & VIRTIO_F_VERSION_1) !== 0n;
}

import type { ResolvedBlockOptions } from "./block-options.ts";

/** Features of the block device, as masks. Virtio 1.2, "Block Device", "Feature bits". */
export const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n;
export const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
export const VIRTIO_BLK_F_RO = 1n << 5n;
export const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
export const VIRTIO_BLK_F_FLUSH = 1n << 9n;
export const VIRTIO_BLK_F_MQ = 1n << 12n;
export const VIRTIO_BLK_F_DISCARD = 1n << 13n;
export const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

const CONFIG_LENGTH = 60;
/** Sectors of one discard or write of zeroes: 32 MiB. */
export const RANGE_LIMIT = 65_536;
/** Bytes of one segment: a driver's largest request is then a few hundred of these, and nobody has longer ones. */
const SEGMENT_LIMIT = 0x40_0000;

export function blockFeatures({ readOnly, queues }: ResolvedBlockOptions): bigint {
  const always = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH;
  const writing = VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
  return always | (readOnly ? VIRTIO_BLK_F_RO : writing) | (queues > 1 ? VIRTIO_BLK_F_MQ : 0n);
}

/** Virtio 1.2, "Block Device", "Device configuration layout". */
export function blockConfig({ backend, queueSize, queues, logicalBlockSize }: ResolvedBlockOptions): Uint8Array {
  const bytes = new Uint8Array(CONFIG_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(backend.sectorCount), true);
  view.setUint32(8, SEGMENT_LIMIT, true);
  // seg_max: the descriptors of a full chain without header and status.
  view.setUint32(12, queueSize - 2, true);
  view.setUint32(20, logicalBlockSize, true);
  view.setUint16(34, queues, true);
  // max_discard_sectors, max_discard_seg, discard_sector_alignment; max_write_zeroes_sectors, max_write_zeroes_seg.
  for (const [offset, value] of [
    [36, RANGE_LIMIT],
    [40, 1],
    [44, logicalBlockSize / 512],
    [48, RANGE_LIMIT],
    [52, 1],
  ] as const) {
    view.setUint32(offset, value, true);
  }
  // write_zeroes_may_unmap.
  view.setUint8(56, backend.writeZeroes === undefined ? 0 : 1);
  return bytes;
}

import type { DescriptorChain } from "../queue/descriptor-chain.ts";

/** Virtio 1.2, "Block Device", "Device Operation". */
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

export const SECTOR_LENGTH = 512;
const HEADER_LENGTH = 16;
const RANGE_LENGTH = 16;
const RANGE_FLAG_UNMAP = 1;

/** What a driver asks for. Lengths in bytes, positions in sectors of 512 bytes. */
export type BlockRequest =
  | { readonly kind: "read" | "write"; readonly sector: number; readonly length: number }
  | { readonly kind: "discard"; readonly sector: number; readonly count: number }
  | { readonly kind: "write-zeroes"; readonly sector: number; readonly count: number; readonly unmap: boolean }
  | { readonly kind: "flush" | "identify" }
  | { readonly kind: "refused"; readonly status: number };

/**
 * Takes the header (and, of a discard, its range) off the chain. Undefined: the chain has no room for a header or a
 * status byte, or is not in RAM; there is nobody to answer to, and the device needs a reset.
 */
export function parseBlockRequest(chain: DescriptorChain): BlockRequest | undefined {
  const header = new Uint8Array(HEADER_LENGTH);
  if (chain.writableLength === 0 || !chain.read(header)) return undefined;
  const view = new DataView(header.buffer);
  const sector = sectorAt(view, 8);
  switch (view.getUint32(0, true)) {
    case VIRTIO_BLK_T_IN:
      return { kind: "read", sector, length: chain.writableLength - 1 };
    case VIRTIO_BLK_T_OUT:
      return { kind: "write", sector, length: chain.readableLength - HEADER_LENGTH };
    case VIRTIO_BLK_T_FLUSH:
      return { kind: "flush" };
    case VIRTIO_BLK_T_GET_ID:
      return { kind: "identify" };
    case VIRTIO_BLK_T_DISCARD:
      return parseRange(chain, "discard");
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return parseRange(chain, "write-zeroes");
    default:
      return { kind: "refused", status: VIRTIO_BLK_S_UNSUPP };
  }
}

/** One range: the configuration space allows no more. A discard may set no flag, a write of zeroes only "unmap". */
function parseRange(chain: DescriptorChain, kind: "discard" | "write-zeroes"): BlockRequest | undefined {
  const length = chain.readableLength - chain.readPosition;
  if (length !== RANGE_LENGTH) return { kind: "refused", status: VIRTIO_BLK_S_IOERR };
  const range = new Uint8Array(RANGE_LENGTH);
  if (!chain.read(range)) return undefined;
  const view = new DataView(range.buffer);
  const flags = view.getUint32(12, true);
  const known = kind === "discard" ? 0 : RANGE_FLAG_UNMAP;
  if ((flags & ~known) !== 0) return { kind: "refused", status: VIRTIO_BLK_S_UNSUPP };
  const sector = sectorAt(view, 0);
  const count = view.getUint32(8, true);
  return kind === "discard" ? { kind, sector, count } : { kind, sector, count, unmap: flags === RANGE_FLAG_UNMAP };
}

/** A 64-bit sector number; beyond exact doubles it is beyond any disk as well, and stays so. */
function sectorAt(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

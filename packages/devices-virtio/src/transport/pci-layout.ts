/**
 * Where a virtio function keeps its registers, and the capabilities that say so. Virtio 1.2, "Virtio Structure PCI
 * Capabilities".
 */

/** The BAR of the registers of before the standard; ports, only on transitional devices. */
export const LEGACY_BAR = 0;
/** The BAR for MSI-X. */
export const MSIX_BAR = 1;
/** The BAR of the four virtio structures; 64-bit, one page a structure. */
export const STRUCTURES_BAR = 4;
export const STRUCTURES_LENGTH = 0x4000;
export const COMMON_AT = 0x0000;
export const ISR_AT = 0x1000;
export const DEVICE_AT = 0x2000;
export const NOTIFY_AT = 0x3000;
export const STRUCTURE_LENGTH = 0x1000;

/** Bytes between the notification addresses of neighbouring queues. */
export const NOTIFY_OFF_MULTIPLIER = 4;

const CAP_ID_VENDOR = 0x09;
const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const VIRTIO_PCI_CAP_PCI_CFG = 5;

/** Offsets in a virtio capability. */
const CAP_LEN = 2;
const CFG_TYPE = 3;
const CAP_BAR = 4;
const CAP_OFFSET = 8;
const CAP_LENGTH = 12;
const CAP_BYTES = 16;
/** What notification and PCI access have beyond. */
const CAP_EXTRA = 16;

/** A capability as the PCI function of the board takes it. */
export interface VirtioPciCapability {
  readonly id: number;
  /** What follows identifier and next pointer. */
  readonly body: Uint8Array;
  readonly writable?: Uint8Array;
  readonly onRead?: (bytes: Uint8Array, offset: number, size: number) => void;
  readonly onWrite?: (bytes: Uint8Array, offset: number, size: number) => void;
}

/** The capability of each structure. `deviceLength`: bytes of device configuration. */
export function structureCapabilities(queues: number, deviceLength: number): VirtioPciCapability[] {
  const capabilities = [
    structure(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_AT, STRUCTURE_LENGTH),
    structure(VIRTIO_PCI_CAP_ISR_CFG, ISR_AT, STRUCTURE_LENGTH),
    structure(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_AT, NOTIFY_OFF_MULTIPLIER * queues, NOTIFY_OFF_MULTIPLIER),
  ];
  if (deviceLength > 0) capabilities.push(structure(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_AT, STRUCTURE_LENGTH));
  return capabilities;
}

function structure(type: number, at: number, length: number, extra?: number): VirtioPciCapability {
  const view = new DataView(new ArrayBuffer(CAP_BYTES + (extra === undefined ? 0 : 4)));
  view.setUint8(CAP_LEN, view.byteLength);
  view.setUint8(CFG_TYPE, type);
  view.setUint8(CAP_BAR, STRUCTURES_BAR);
  view.setUint32(CAP_OFFSET, at, true);
  view.setUint32(CAP_LENGTH, length, true);
  if (extra !== undefined) view.setUint32(CAP_EXTRA, extra, true);
  return { id: CAP_ID_VENDOR, body: new Uint8Array(view.buffer).slice(2) };
}

/** The window behind the structures' BAR. */
interface StructuresWindow {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/**
 * The way to the structures for software that cannot map BARs: it says BAR, offset and length, then reads or writes the
 * data field. Virtio 1.2, "PCI configuration access capability". What it says of other BARs or lengths does nothing.
 */
export function accessCapability(window: StructuresWindow): VirtioPciCapability {
  const view = new DataView(new ArrayBuffer(CAP_BYTES + 4));
  view.setUint8(CAP_LEN, view.byteLength);
  view.setUint8(CFG_TYPE, VIRTIO_PCI_CAP_PCI_CFG);
  const writable = new Uint8Array(CAP_BYTES + 4).fill(0xff, CAP_OFFSET);
  writable[CAP_BAR] = 0xff;
  return {
    id: CAP_ID_VENDOR,
    body: new Uint8Array(view.buffer).slice(2),
    writable: writable.slice(2),
    onRead(bytes, offset, size) {
      const target = offset + size > CAP_EXTRA && accessTarget(bytes);
      if (target) putData(bytes, window.read(target.offset, target.length));
    },
    onWrite(bytes, offset, size) {
      const target = offset + size > CAP_EXTRA && accessTarget(bytes);
      if (target) window.write(target.offset, target.length, takeData(bytes, target.length));
    },
  };
}

function accessTarget(bytes: Uint8Array): { readonly offset: number; readonly length: 1 | 2 | 4 } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offset = view.getUint32(CAP_OFFSET, true);
  const length = view.getUint32(CAP_LENGTH, true);
  const isSize = length === 1 || length === 2 || length === 4;
  if (bytes[CAP_BAR] !== STRUCTURES_BAR || !isSize || offset % length !== 0) return undefined;
  return offset + length <= STRUCTURES_LENGTH ? { offset, length } : undefined;
}

function putData(bytes: Uint8Array, value: number): void {
  for (let i = 0; i < 4; i++) bytes[CAP_EXTRA + i] = value >>> (8 * i);
}

function takeData(bytes: Uint8Array, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value |= (bytes[CAP_EXTRA + i] as number) << (8 * i);
  return value >>> 0;
}

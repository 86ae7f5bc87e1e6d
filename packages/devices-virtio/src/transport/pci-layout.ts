/**
 * Where a virtio function keeps its registers, and the capabilities that say so. Virtio 1.2, "Virtio Structure PCI
 * Capabilities"; PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures".
 */

/** The BAR of the four virtio structures; 64-bit, one page a structure. */
export const STRUCTURES_BAR = 4;
export const STRUCTURES_LENGTH = 0x4000;
export const COMMON_AT = 0x0000;
export const ISR_AT = 0x1000;
export const DEVICE_AT = 0x2000;
export const NOTIFY_AT = 0x3000;
export const STRUCTURE_LENGTH = 0x1000;

/** The BAR of the MSI-X table and pending bits. */
export const MSIX_BAR = 1;
export const MSIX_LENGTH = 0x1000;
export const MSIX_PENDING_AT = 0x800;

/** Bytes between the notification addresses of neighbouring queues. */
export const NOTIFY_OFF_MULTIPLIER = 4;

/** Bytes of configuration space; the same shape as the PCI function of the board takes them. */
export interface PciConfigRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
  readonly writable?: number;
}

const CAP_ID_VENDOR = 0x09;
const CAP_ID_MSIX = 0x11;
const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const CAP_LENGTH = 16;
const NOTIFY_CAP_LENGTH = 20;

/** The first capability; the rest follow. */
export const CAPABILITIES_AT = 0x40;
/** The message control register of MSI-X, whose changes the transport wants to hear of. */
export const MSIX_CONTROL_AT: number = CAPABILITIES_AT + 2;
const MSIX_CAP_LENGTH = 12;

interface StructureCapability {
  readonly type: number;
  readonly at: number;
  readonly length: number;
}

/** The capability list: MSI-X, then one for each structure. `deviceLength`: bytes of device configuration. */
export function pciCapabilities(vectors: number, queues: number, deviceLength: number): PciConfigRegister[] {
  const structures: StructureCapability[] = [
    { type: VIRTIO_PCI_CAP_COMMON_CFG, at: COMMON_AT, length: STRUCTURE_LENGTH },
    { type: VIRTIO_PCI_CAP_ISR_CFG, at: ISR_AT, length: STRUCTURE_LENGTH },
    { type: VIRTIO_PCI_CAP_NOTIFY_CFG, at: NOTIFY_AT, length: NOTIFY_OFF_MULTIPLIER * queues },
  ];
  if (deviceLength > 0) structures.push({ type: VIRTIO_PCI_CAP_DEVICE_CFG, at: DEVICE_AT, length: STRUCTURE_LENGTH });

  const registers = msixCapability(vectors);
  let offset = CAPABILITIES_AT + MSIX_CAP_LENGTH;
  for (const [index, { type, at, length }] of structures.entries()) {
    const size = type === VIRTIO_PCI_CAP_NOTIFY_CFG ? NOTIFY_CAP_LENGTH : CAP_LENGTH;
    const next = index + 1 < structures.length ? offset + size : 0;
    const words = [word(CAP_ID_VENDOR, next, size, type), word(STRUCTURES_BAR, 0, 0, 0), at, length];
    if (type === VIRTIO_PCI_CAP_NOTIFY_CFG) words.push(NOTIFY_OFF_MULTIPLIER);
    for (const [i, value] of words.entries()) registers.push({ offset: offset + 4 * i, size: 4, value });
    offset += size;
  }
  return registers;
}

function msixCapability(vectors: number): PciConfigRegister[] {
  return [
    { offset: CAPABILITIES_AT, size: 1, value: CAP_ID_MSIX },
    { offset: CAPABILITIES_AT + 1, size: 1, value: CAPABILITIES_AT + MSIX_CAP_LENGTH },
    { offset: MSIX_CONTROL_AT, size: 2, value: vectors - 1, writable: 0xc000 },
    { offset: CAPABILITIES_AT + 4, size: 4, value: MSIX_BAR },
    { offset: CAPABILITIES_AT + 8, size: 4, value: MSIX_PENDING_AT | MSIX_BAR },
  ];
}

/** Four bytes, lowest first. */
function word(a: number, b: number, c: number, d: number): number {
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

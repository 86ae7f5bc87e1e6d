import type { Gpa } from "@tsvm/contracts";

/** Windows of virtio devices, as QEMU hw/i386/microvm.c has them. */
const VIRTIO_GPA = 0xfeb00000;
const VIRTIO_LENGTH = 0x200;
/** IOAPIC inputs that nothing else uses; with more devices than inputs several share one. */
const FIRST_GSI = 16;
const GSI_COUNT = 8;

/** Virtio devices that a board takes. */
export const MICROVM_DEVICES_MAX = 32;

/** Where virtio device `index` stands, and which IOAPIC input its wire goes to. */
export function virtioWindow(index: number): { readonly gpa: Gpa; readonly length: number; readonly gsi: number } {
  return { gpa: VIRTIO_GPA + index * VIRTIO_LENGTH, length: VIRTIO_LENGTH, gsi: FIRST_GSI + (index % GSI_COUNT) };
}

import type { VirtioModel } from "../device/model.ts";

const VENDOR_ID = 0x1af4;
/** Modern devices: this plus the virtio device id. Virtio 1.2, "PCI Device Discovery". */
const MODERN_DEVICE_ID = 0x1040;
/** Identities of kinds older than the standard, by virtio device id. */
const TRANSITIONAL_DEVICE_IDS: Readonly<Record<number, number>> = {
  1: 0x1000,
  2: 0x1001,
  3: 0x1003,
  4: 0x1005,
  5: 0x1002,
  8: 0x1004,
  9: 0x1009,
};

/** How a function introduces itself, in the words of the board's PCI function. */
export interface VirtioPciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

/** Whether drivers older than the standard know of such devices. */
export function hasLegacyForm({ deviceId }: VirtioModel): boolean {
  return TRANSITIONAL_DEVICE_IDS[deviceId] !== undefined;
}

/** `transitional`: known to old drivers too, by revision 0 and the kind in the subsystem id. */
export function identify({ deviceId, classCode }: VirtioModel, transitional: boolean): VirtioPciIdentity {
  const modernId = MODERN_DEVICE_ID + deviceId;
  return {
    vendorId: VENDOR_ID,
    deviceId: transitional ? (TRANSITIONAL_DEVICE_IDS[deviceId] ?? modernId) : modernId,
    classCode,
    revision: transitional ? 0 : 1,
    subsystemVendorId: VENDOR_ID,
    subsystemId: transitional ? deviceId : modernId,
  };
}

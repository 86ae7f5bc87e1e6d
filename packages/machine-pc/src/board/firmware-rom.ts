import { ConfigError, type Gpa, type MemorySlot } from "@tsvm/contracts";
import { type BootSegment, segment } from "../boot/boot-image.ts";

const FOUR_GIB = 0x1_0000_0000;
const ONE_MIB = 0x10_0000;
const ROM_SIZES: readonly number[] = [0x1_0000, 0x2_0000];

/** A firmware image that can be used. @throws ConfigError `CONFIG_OPTION` */
export function checkFirmware(firmware: Uint8Array): Uint8Array {
  if (ROM_SIZES.includes(firmware.length)) return firmware;
  const given = `${firmware.length} bytes`;
  throw new ConfigError("CONFIG_OPTION", `firmware: an image of 64 or 128 KiB is what the ROM takes, not ${given}`);
}

/**
 * Where a PC has its ROM: up to the end of the first 4 GiB, where the reset vector is, and again up to the end of the first MiB.
 * @param hiddenHva host memory of 128 KiB for the upper one; the lower one lies in the RAM that would be there.
 * @param ramHva host address of gpa 0
 */
export function romSlots(length: number, ramHva: number, hiddenHva: number): readonly MemorySlot[] {
  return [
    { gpa: ONE_MIB - length, length, hva: ramHva + ONE_MIB - length, readOnly: true },
    { gpa: FOUR_GIB - length, length, hva: hiddenHva, readOnly: true },
  ];
}

/** The image, for both places. */
export function romSegments(firmware: Uint8Array): readonly BootSegment[] {
  const ends: readonly Gpa[] = [ONE_MIB, FOUR_GIB];
  return ends.map((end) => segment(end - firmware.length, firmware));
}

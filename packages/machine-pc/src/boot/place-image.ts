import type { Ram } from "@tsvm/memory";
import type { BootSegment } from "./boot-image.ts";

const ZEROS = new Uint8Array(65536);

/** Copies `segments` into guest memory in order, later ones over earlier ones, and clears their zero tails. */
export function placeSegments(ram: Ram, segments: readonly BootSegment[]): void {
  for (const { gpa, bytes, length } of segments) {
    ram.program(gpa, bytes);
    for (let done = bytes.length; done < length; done += ZEROS.length) {
      ram.program(gpa + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
    }
  }
}

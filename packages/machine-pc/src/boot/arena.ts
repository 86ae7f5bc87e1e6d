import type { Gpa } from "@tsvm/contracts";
import { cString } from "../bytes/fields.ts";
import { type BootSegment, segment } from "./boot-image.ts";

/** Lays small structures one behind the other into guest memory: the tables a boot protocol passes by address. */
export interface Arena {
  /** Puts `bytes` at the next multiple of `alignment`. */
  place(bytes: Uint8Array, alignment?: number): Gpa;
  /** Puts `text` with its terminating zero. */
  placeString(text: string): Gpa;
  /** First byte not used yet. */
  readonly end: Gpa;
  /** What was placed so far. */
  readonly segments: readonly BootSegment[];
}

export function createArena(start: Gpa): Arena {
  const segments: BootSegment[] = [];
  let end = start;
  function place(bytes: Uint8Array, alignment = 16): Gpa {
    const gpa = Math.ceil(end / alignment) * alignment;
    segments.push(segment(gpa, bytes));
    end = gpa + bytes.length;
    return gpa;
  }
  return {
    place,
    placeString: (text) => place(cString(text), 1),
    get end() {
      return end;
    },
    segments,
  };
}

import { BusError, type Gpa, type GuestMemory } from "@tsvm/contracts";

/**
 * RAM as the device of a hostile guest needs it: addresses come from the guest, so a bad one is an answer and never an
 * exception. The methods that return a boolean give false when a byte was not RAM; nothing was transferred then.
 */
export interface GuestAccess {
  read(gpa: Gpa, dst: Uint8Array): boolean;
  write(gpa: Gpa, src: Uint8Array): boolean;
  /** The little-endian 16-bit number at `gpa`, or undefined. */
  read16(gpa: Gpa): number | undefined;
  write16(gpa: Gpa, value: number): boolean;
}

export function createGuestAccess(memory: GuestMemory): GuestAccess {
  return new CheckedAccess(memory);
}

class CheckedAccess implements GuestAccess {
  readonly #memory: GuestMemory;
  readonly #pair = new Uint8Array(2);

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  read(gpa: Gpa, dst: Uint8Array): boolean {
    try {
      this.#memory.read(gpa, dst);
      return true;
    } catch (error) {
      return refused(error);
    }
  }

  write(gpa: Gpa, src: Uint8Array): boolean {
    try {
      this.#memory.write(gpa, src);
      return true;
    } catch (error) {
      return refused(error);
    }
  }

  read16(gpa: Gpa): number | undefined {
    if (!this.read(gpa, this.#pair)) return undefined;
    return (this.#pair[0] as number) | ((this.#pair[1] as number) << 8);
  }

  write16(gpa: Gpa, value: number): boolean {
    this.#pair[0] = value;
    this.#pair[1] = value >>> 8;
    return this.write(gpa, this.#pair);
  }
}

/** Only the seam's own refusal is the guest's doing; anything else is a mistake of ours and goes on. */
function refused(error: unknown): false {
  if (error instanceof BusError) return false;
  throw error;
}

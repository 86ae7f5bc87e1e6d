import { BusError, type Gpa, type GuestMemory } from "@tsvm/contracts";

/** RAM from gpa 0 to `length`; `bytes` is its content. */
export interface FakeMemory extends GuestMemory {
  readonly bytes: Uint8Array;
}

export function createFakeMemory(length: number): FakeMemory {
  const bytes = new Uint8Array(length);
  const check = (gpa: Gpa, count: number): void => {
    if (gpa < 0 || gpa + count > length) {
      throw new BusError("BUS_RANGE", `${gpa.toString(16)}+${count.toString(16)} is not RAM`);
    }
  };
  return {
    bytes,
    read(gpa: Gpa, dst: Uint8Array): void {
      check(gpa, dst.length);
      dst.set(bytes.subarray(gpa, gpa + dst.length));
    },
    write(gpa: Gpa, src: Uint8Array): void {
      check(gpa, src.length);
      bytes.set(src, gpa);
    },
    view(gpa: Gpa, count: number): Uint8Array | undefined {
      return gpa >= 0 && gpa + count <= length ? bytes.subarray(gpa, gpa + count) : undefined;
    },
  };
}

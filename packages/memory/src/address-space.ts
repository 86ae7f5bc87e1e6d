import type { AccessSize, AddressSpace, IoRegion, Mapping } from "@tsvm/contracts";
import { type FlatRange, findRange, flatten, type MappedRegion } from "./flat-ranges.ts";

/**
 * An {@link AddressSpace} that also takes single register accesses as numbers, the way port instructions have them.
 * Nothing here allocates: a poll loop of the guest costs no garbage.
 */
export interface IoSpace extends AddressSpace {
  readonly name: string;
  /** `size` bytes at `addr`, little-endian, unsigned; all ones where nothing is mapped. */
  load(addr: number, size: AccessSize): number;
  /** `value` is unsigned and fits `size` bytes. */
  store(addr: number, size: AccessSize, value: number): void;
}

/** An empty space; `name` ("mmio", "pio") is for error reports. */
export function createAddressSpace(name: string): IoSpace {
  return new RegionMap(name);
}

class RegionMap implements IoSpace {
  readonly name: string;
  #mapped: MappedRegion[] = [];
  #ranges: readonly FlatRange[] = [];
  /** The range hit last: guests poll one register many times. */
  #last: FlatRange | undefined;

  constructor(name: string) {
    this.name = name;
  }

  map(base: number, region: IoRegion): Mapping {
    const entry: MappedRegion = { base, region };
    this.#mapped.push(entry);
    this.#reflatten();
    return {
      get base() {
        return entry.base;
      },
      move: (to) => {
        entry.base = to;
        this.#reflatten();
      },
      unmap: () => {
        this.#mapped = this.#mapped.filter((other) => other !== entry);
        this.#reflatten();
      },
    };
  }

  read(addr: number, dst: Uint8Array): void {
    for (let done = 0; done < dst.length; ) {
      const size = this.#partSize(addr + done, dst.length - done);
      let value = this.#loadPart(addr + done, size);
      for (let i = 0; i < size; i++) {
        dst[done + i] = value & 0xff;
        value >>>= 8;
      }
      done += size;
    }
  }

  write(addr: number, src: Uint8Array): void {
    for (let done = 0; done < src.length; ) {
      const size = this.#partSize(addr + done, src.length - done);
      let value = 0;
      for (let i = 0; i < size; i++) value |= (src[done + i] as number) << (8 * i);
      this.#storePart(addr + done, size, value >>> 0);
      done += size;
    }
  }

  load(addr: number, size: AccessSize): number {
    let value = 0;
    for (let done = 0; done < size; ) {
      const part = this.#partSize(addr + done, size - done);
      if (part === size) return this.#loadPart(addr, size);
      value |= this.#loadPart(addr + done, part) << (8 * done);
      done += part;
    }
    return value >>> 0;
  }

  store(addr: number, size: AccessSize, value: number): void {
    for (let done = 0; done < size; ) {
      const part = this.#partSize(addr + done, size - done);
      const mask = part === 4 ? 0xffffffff : part === 2 ? 0xffff : 0xff;
      this.#storePart(addr + done, part, ((value >>> (8 * done)) & mask) >>> 0);
      done += part;
    }
  }

  #reflatten(): void {
    this.#ranges = flatten(this.#mapped);
    this.#last = undefined;
  }

  #rangeAt(addr: number): FlatRange | undefined {
    const last = this.#last;
    if (last !== undefined && addr >= last.start && addr < last.end) return last;
    const found = findRange(this.#ranges, addr);
    if (found !== undefined) this.#last = found;
    return found;
  }

  /** The largest naturally aligned part at `addr` that neither passes `left` bytes nor leaves the region there. */
  #partSize(addr: number, left: number): AccessSize {
    const range = this.#rangeAt(addr);
    const room = range === undefined ? left : Math.min(left, range.end - addr);
    // `& 3` works on the low 32 bits of any double below 2^53: the alignment of a gpa above 4 GiB comes out right.
    if (room >= 4 && (addr & 3) === 0) return 4;
    return room >= 2 && (addr & 1) === 0 ? 2 : 1;
  }

  #loadPart(addr: number, size: AccessSize): number {
    const range = this.#rangeAt(addr);
    if (range !== undefined) return range.region.read(addr - range.base, size);
    return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
  }

  #storePart(addr: number, size: AccessSize, value: number): void {
    const range = this.#rangeAt(addr);
    if (range !== undefined) range.region.write(addr - range.base, size, value);
  }
}

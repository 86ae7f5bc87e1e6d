import type { AccessSize, Disposable, Gpa } from "./addresses.ts";

/** Guest RAM as its consumers see it: devices, loaders, the page walker. */
export interface GuestMemory {
  /** Copies `dst.length` bytes from `gpa`. @throws BusError if any byte is not RAM. */
  read(gpa: Gpa, dst: Uint8Array): void;
  /** Copies `src` to `gpa`, then tells the frame observers. @throws BusError if any byte is not RAM. */
  write(gpa: Gpa, src: Uint8Array): void;
  /** Live view of a range inside one RAM region, else undefined. Read-only by contract; valid until the memory map changes. */
  view(gpa: Gpa, length: number): Uint8Array | undefined;
}

/** One register window. It receives offsets, never absolute addresses. Guest misuse is answered, never thrown. */
export interface IoRegion {
  readonly name: string;
  /** Bytes the window covers. */
  readonly length: number;
  /** The register at `offset`, zero-extended to an unsigned number; reading may have side effects. */
  read(offset: number, size: AccessSize): number;
  /** `value` is unsigned and fits `size` bytes. */
  write(offset: number, size: AccessSize, value: number): void;
}

/** Where a region stands in an address space. */
export interface Mapping {
  readonly base: number;
  move(base: number): void;
  unmap(): void;
}

/** Routes one space (memory-mapped or port) to regions. Unclaimed reads give all ones, unclaimed writes vanish. */
export interface AddressSpace {
  /** Later mappings stand above earlier ones where they overlap. */
  map(base: number, region: IoRegion): Mapping;
  /** Fills `dst` (little-endian) from the registers at `addr`; splits into naturally aligned parts of at most 4 bytes. */
  read(addr: number, dst: Uint8Array): void;
  write(addr: number, src: Uint8Array): void;
}

/** Told of every host-side write to guest RAM (loaders, DMA), after it happened. */
export type FrameObserver = (gpa: Gpa, length: number) => void;

/** What a board needs of RAM beyond {@link GuestMemory}. */
export interface ObservableMemory extends GuestMemory {
  observe(observer: FrameObserver): Disposable;
}

import { type AddressSpace, type IoRegion, invariant, type Mapping } from "@tsvm/contracts";
import { BAR0, COMMAND_IO, COMMAND_MEMORY, type ConfigSpace } from "./config-space.ts";

const BAR_IO = 1;
const BAR_64 = 4;
const BAR_PREFETCHABLE = 8;
const IO_MIN = 4;
const MEMORY_MIN = 16;

/** A base address register, and the window that stands where software puts it. */
export interface PciBar {
  /** 0 to 5; `memory64` takes the next one too. */
  readonly index: number;
  readonly kind: "io" | "memory" | "memory64";
  readonly region: IoRegion;
  /** Bytes that the register decodes: a power of two. Default: the least that holds the region, and at least 4 (io) or 16. */
  readonly length?: number;
  readonly prefetchable?: boolean;
}

/** One BAR of a function: PCI Local Bus Specification 3.0, "Base Addresses". */
export interface BaseAddress {
  /** Looks at the registers again, and moves the window if they or the command register changed. */
  update(command: number): void;
}

export function createBaseAddress(bar: PciBar, config: ConfigSpace, space: Pick<AddressSpace, "map">): BaseAddress {
  const isIo = bar.kind === "io";
  const offset = BAR0 + 4 * bar.index;
  const length = bar.length ?? leastLength(bar);
  let mapping: Mapping | undefined;
  define();

  function define(): void {
    const isPower = length >= (isIo ? IO_MIN : MEMORY_MIN) && Math.log2(length) % 1 === 0;
    invariant(isPower && length >= bar.region.length, `BAR ${bar.index} of ${length} bytes`);
    invariant(bar.index >= 0 && bar.index < (bar.kind === "memory64" ? 5 : 6), `BAR ${bar.index}`);
    const type = isIo ? BAR_IO : (bar.kind === "memory64" ? BAR_64 : 0) | (bar.prefetchable ? BAR_PREFETCHABLE : 0);
    config.define(offset, 4, type, ~(Math.min(length, 2 ** 32) - 1) >>> 0);
    if (bar.kind === "memory64") config.define(offset + 4, 4, 0, ~(Math.max(1, length / 2 ** 32) - 1) >>> 0);
  }

  /** Where software wants the window; undefined while it is not decoded. */
  function wanted(command: number): number | undefined {
    if ((command & (isIo ? COMMAND_IO : COMMAND_MEMORY)) === 0) return undefined;
    const low = (config.read32(offset) & (isIo ? ~3 : ~15)) >>> 0;
    const high = bar.kind === "memory64" ? config.read32(offset + 4) : 0;
    // Above 52 bits no memory can be: software is sizing the register.
    return high < 2 ** 20 ? high * 2 ** 32 + low : undefined;
  }

  return {
    update(command: number): void {
      const base = wanted(command);
      if (base === mapping?.base) return;
      if (base === undefined) {
        mapping?.unmap();
        mapping = undefined;
      } else if (mapping === undefined) mapping = space.map(base, bar.region);
      else mapping.move(base);
    },
  };
}

function leastLength({ kind, region }: PciBar): number {
  return Math.max(kind === "io" ? IO_MIN : MEMORY_MIN, 2 ** Math.ceil(Math.log2(region.length)));
}

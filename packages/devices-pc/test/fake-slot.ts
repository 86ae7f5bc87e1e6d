import type { AddressSpace, IoRegion } from "@tsvm/contracts";
import {
  createFakeClock,
  createFakeMemory,
  createProbeLine,
  type FakeClock,
  type FakeMemory,
  type ProbeLine,
} from "@tsvm-testing/fakes";
import type { PciSlot } from "../src/index.ts";

/** A slot whose every wire can be looked at. */
export interface FakeSlot extends PciSlot {
  readonly memory: FakeMemory;
  readonly clock: FakeClock;
  /** The four pins, INTA first. */
  readonly pins: readonly ProbeLine[];
  /** Messages sent so far, as "address=data" in hex. */
  readonly messages: string[];
  /** Windows that stand somewhere now: "io c000 name" or "mmio febf0000 name". */
  windows(): string[];
  /** The window that holds `addr`, and the offset in it. */
  at(space: "io" | "mmio", addr: number): { readonly region: IoRegion; readonly offset: number } | undefined;
}

interface Placed {
  readonly space: string;
  readonly region: IoRegion;
  base: number;
}

export function createFakeSlot(): FakeSlot {
  const pins = Array.from({ length: 4 }, createProbeLine);
  const messages: string[] = [];
  let placed: Placed[] = [];
  const space = (name: string): Pick<AddressSpace, "map"> => ({
    map(base, region) {
      const entry: Placed = { space: name, region, base };
      placed.push(entry);
      return {
        get base() {
          return entry.base;
        },
        move(to) {
          entry.base = to;
        },
        unmap() {
          placed = placed.filter((other) => other !== entry);
        },
      };
    },
  });
  return {
    memory: createFakeMemory(0x1_0000),
    clock: createFakeClock(),
    pins,
    messages,
    msi: { signal: (address, data) => void messages.push(`${address.toString(16)}=${data.toString(16)}`) },
    io: space("io"),
    mmio: space("mmio"),
    intx: (pin) => pins[pin - 1] as ProbeLine,
    windows: () => placed.map((one) => `${one.space} ${one.base.toString(16)} ${one.region.name}`),
    at(name, addr) {
      const hit = placed.find((p) => p.space === name && addr >= p.base && addr < p.base + p.region.length);
      return hit && { region: hit.region, offset: addr - hit.base };
    },
  };
}

/** A window of `length` bytes that keeps nothing. */
export function plainRegion(name: string, length: number): IoRegion {
  return { name, length, read: () => 0, write(): void {} };
}

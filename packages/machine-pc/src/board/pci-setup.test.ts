import type { IoRegion } from "@tsvm/contracts";
import { createPciFunction, type PciFunction, type PciSlot } from "@tsvm/devices-pc";
import { createFakeClock, createFakeMemory, createProbeLine } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { setUpPci } from "./pci-setup.ts";

const MEMORY = { first: 0xc0000000, last: 0xc00fffff };

const region = (length: number): IoRegion => ({ name: "r", length, read: () => 0, write(): void {} });

function create(bars: readonly (readonly ["io" | "memory" | "memory64", number])[], pin?: 1 | 2 | 3 | 4): PciFunction {
  const space = { map: (base: number) => ({ base, move(): void {}, unmap(): void {} }) };
  const slot: PciSlot = {
    memory: createFakeMemory(16),
    msi: { signal(): void {} },
    clock: createFakeClock(),
    io: space,
    mmio: space,
    intx: createProbeLine,
  };
  let index = 0;
  return createPciFunction(slot, {
    name: "f",
    identity: { vendorId: 1, deviceId: 2, classCode: 3 },
    ...(pin && { pin }),
    bars: bars.map(([kind, length]) => {
      const bar = { index, kind, region: region(length) };
      index += kind === "memory64" ? 2 : 1;
      return bar;
    }),
  });
}

const bars = (pci: PciFunction): readonly number[] =>
  [0, 1, 2, 3, 4, 5].map((index) => pci.readConfig(0x10 + 4 * index, 4));
const command = (pci: PciFunction): number => pci.readConfig(4, 2);

it("gives every BAR a place of its own, aligned to its size, and decodes it", () => {
  const first = create([
    ["io", 0x20],
    ["memory", 0x1000],
    ["memory64", 0x4000],
  ]);
  const second = create([
    ["io", 0x80],
    ["memory", 0x10],
  ]);
  const none = create([]);
  setUpPci(
    [first, second, none].map((pci, slot) => ({ slot, pci })),
    MEMORY,
  );
  expect(bars(first)).toEqual([0xc001, 0xc0000000, 0xc0004004, 0, 0, 0]);
  expect(bars(second)).toEqual([0xc081, 0xc0008000, 0, 0, 0, 0]);
  expect([first, second, none].map(command)).toEqual([3, 3, 0]);
});

it("says where the pin arrives, rotated by slot", () => {
  const pins = ([1, 4, undefined] as const).map((pin) => create([], pin));
  setUpPci(
    pins.map((pci, i) => ({ slot: 2 + i, pci })),
    MEMORY,
  );
  expect(pins.map((pci) => pci.readConfig(0x3c, 1))).toEqual([10, 10, 0]);
});

it("leaves off what has no room, and places the rest", () => {
  const large = create([
    ["io", 0x20],
    ["memory", 0x20_0000],
  ]);
  const small = create([["memory", 0x1000]]);
  setUpPci(
    [large, small].map((pci, slot) => ({ slot, pci })),
    MEMORY,
  );
  expect([bars(large)[1], command(large)]).toEqual([0, 1]);
  expect([bars(small)[0], command(small)]).toEqual([0xc0000000, 2]);
});

import { createVirtioRng } from "@tsvm/devices-virtio";
import { describe, expect, it } from "vitest";
import type { BoardDevice } from "./board-device.ts";
import { placeDevices } from "./place-devices.ts";

const device = (name: string, slot?: number, fn?: number): BoardDevice => ({
  virtio: createVirtioRng({ name, random: () => 0 }),
  ...(slot !== undefined && { address: fn === undefined ? { slot } : { slot, fn } }),
});

describe("placeDevices", () => {
  it("fills free slots in order, around those that were asked for", () => {
    const devices = [device("a"), device("b", 2), device("c"), device("d", 4, 0), device("e", 4, 3), device("f")];
    const placed = placeDevices(devices);
    expect(placed.map(({ slot, fn }) => `${slot}.${fn}`)).toEqual(["3.0", "2.0", "5.0", "4.0", "4.3", "6.0"]);
    expect(placed.map(({ device: one }) => one)).toEqual(devices);
  });

  it.each<[string, readonly BoardDevice[], string | RegExp]>([
    ["a slot of the chip set", [device("a", 1)], "no PCI address 1.0: there are slots 2 to 31, functions 0 to 7"],
    ["no slot", [device("a", 32)], "device a: no PCI address 32.0"],
    ["no function", [device("a", 5, 8)], "device a: no PCI address 5.8"],
    ["half a slot", [device("a", 2.5)], "device a: no PCI address 2.5.0"],
    ["a slot twice", [device("a", 5), device("b", 5)], "device b: PCI slot 5.0 is taken by a"],
    ["functions without function 0", [device("a", 5, 1)], "device a: PCI slot 5 has no function 0"],
    ["more than there is", Array.from({ length: 31 }, (_, i) => device(`d${i}`)), "device d30: all 30 free PCI slots"],
    ["a name twice", [device("a"), device("a")], "device a: there are two of this name"],
  ])("refuses %s", (_, devices, message) => {
    expect(() => placeDevices(devices)).toThrow(message);
  });
});

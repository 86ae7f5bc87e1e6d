import type { Device, IoRegion } from "@tsvm/contracts";
import { createAddressSpace, type IoSpace } from "@tsvm/memory";

/** The board's two spaces, and the devices put into them. */
export interface BoardBus {
  readonly pio: IoSpace;
  readonly mmio: IoSpace;
  /** In the order in which they were plugged in, which is the order of reset and of snapshots. */
  readonly devices: readonly Device[];
  /**
   * Adds `device`, with its regions at `places`: one port (a number) or gpa (`{ gpa }`) per region, in the device's order;
   * undefined leaves a region out.
   */
  plug<D extends Device>(device: D, ...places: readonly (Place | undefined)[]): D;
}

export type Place = number | { readonly gpa: number };

export function createBoardBus(): BoardBus {
  const pio = createAddressSpace("pio");
  const mmio = createAddressSpace("mmio");
  const devices: Device[] = [];
  return {
    pio,
    mmio,
    devices,
    plug(device, ...places) {
      devices.push(device);
      for (const [i, place] of places.entries()) {
        if (place === undefined) continue;
        const region = device.regions[i] as IoRegion;
        if (typeof place === "number") pio.map(place, region);
        else mmio.map(place.gpa, region);
      }
      return device;
    },
  };
}

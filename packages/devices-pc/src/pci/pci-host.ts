import { type AccessSize, type Device, type IoRegion, partOfDword, recordField, u32Field } from "@tsvm/contracts";
import type { PciFunction } from "./pci-function.ts";

const CONFIG_ADDRESS = 0;
const CONFIG_DATA = 4;
const ENABLE = 0x8000_0000;
/** Bits that exist: enable, bus, device, function, register. */
const ADDRESS_MASK = 0x80ff_fffc;

export interface PciHostOptions {
  /** A byte-wide register that shares the address register's second byte: the reset control register of a PC. */
  readonly resetControl?: IoRegion;
  /** Default "pci-host". */
  readonly name?: string;
}

export interface PciHostState {
  address: number;
}

/** The way to a PCI bus's configuration space, and the bus. */
export interface PciHost extends Device<PciHostState> {
  /** Puts `target` at `device` (0 to 31), `fn` (0 to 7) of bus 0. */
  plug(device: number, fn: number, target: PciFunction): void;
}

const stateField = recordField<PciHostState>({ address: u32Field });

/**
 * Configuration mechanism 1: PCI Local Bus Specification 3.0, "Software Generation of Configuration Transactions". One
 * region of eight ports. The address register answers to whole dwords only; narrower accesses pass by it. Slots without
 * function read as ones.
 */
export function createPciHost({ resetControl, name = "pci-host" }: PciHostOptions = {}): PciHost {
  const functions: (PciFunction | undefined)[] = new Array(256).fill(undefined);
  let address = 0;

  function selected(): PciFunction | undefined {
    // Other buses than 0 would stand behind bridges, which there are none of.
    if ((address & ENABLE) === 0 || ((address >>> 16) & 0xff) !== 0) return undefined;
    return functions[(address >>> 8) & 0xff];
  }

  const allOnes = (size: AccessSize): number => 0xffff_ffff >>> (32 - 8 * size);

  const region: IoRegion = {
    name,
    length: 8,
    read(offset: number, size: AccessSize): number {
      if (offset >= CONFIG_DATA) {
        const register = (address & 0xfc) + (offset & 3);
        return selected()?.readConfig(register, size) ?? allOnes(size);
      }
      if (offset === CONFIG_ADDRESS && size === 4) return partOfDword(address, 0, 4);
      if (offset === 1 && size === 1 && resetControl !== undefined) return resetControl.read(0, 1);
      return allOnes(size);
    },
    write(offset: number, size: AccessSize, value: number): void {
      if (offset >= CONFIG_DATA) {
        selected()?.writeConfig((address & 0xfc) + (offset & 3), size, value);
      } else if (offset === CONFIG_ADDRESS && size === 4) {
        address = (value & ADDRESS_MASK) >>> 0;
      } else if (offset === 1 && size === 1) {
        resetControl?.write(0, 1, value);
      }
    },
  };

  return {
    name,
    regions: [region],
    plug(device: number, fn: number, target: PciFunction): void {
      functions[device * 8 + fn] = target;
    },
    reset(): void {
      address = 0;
    },
    save: () => ({ address }),
    restore(state: PciHostState): void {
      address = (stateField(state, name).address & ADDRESS_MASK) >>> 0;
    },
  };
}

import { type AccessSize, type Device, type IoRegion, partOfDword, recordField, u32Field } from "@tsvm/contracts";
import type { PciFunction } from "./pci-function.ts";

const CONFIG_ADDRESS = 0;
const CONFIG_DATA = 4;
const ENABLE = 0x8000_0000;
/** Bits that exist: enable, bus, device, function, register. */
const ADDRESS_MASK = 0x80ff_fffc;

const FUNCTIONS = 8;
/** Bytes of one function in the enhanced mechanism's window, of which a conventional function has the first 256. */
const ECAM_FUNCTION = 0x1000;
/** Buses that the window has room for. */
const ECAM_BUSES = 256;
const ECAM_BUS = ECAM_FUNCTION * FUNCTIONS * 32;
/** Bytes of the enhanced mechanism's window; a multiple of it is where it may stand. */
export const ECAM_LENGTH: number = ECAM_BUS * ECAM_BUSES;

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
 * Two ways to configuration space. Region 0, eight ports, is configuration mechanism 1: PCI Local Bus Specification 3.0,
 * "Software Generation of Configuration Transactions"; the address register answers to whole dwords only, narrower
 * accesses pass by it. Region 1, {@link ECAM_LENGTH} bytes of memory, is the enhanced mechanism: PCI Express Base
 * Specification, "PCI Express Enhanced Configuration Access Mechanism". Where there is no function, and past the 256 bytes
 * of one, reads give ones. There is bus 0 only: others would stand behind bridges.
 */
export function createPciHost(options: PciHostOptions = {}): PciHost {
  return new Host(options);
}

class Host implements PciHost {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly #functions: (PciFunction | undefined)[] = new Array(32 * FUNCTIONS).fill(undefined);
  readonly #resetControl: IoRegion | undefined;
  #address = 0;

  constructor({ resetControl, name = "pci-host" }: PciHostOptions) {
    this.name = name;
    this.#resetControl = resetControl;
    this.regions = [
      {
        name,
        length: 8,
        read: (offset, size) => this.#readPort(offset, size),
        write: (offset, size, value) => this.#writePort(offset, size, value),
      },
      {
        name: `${name}-ecam`,
        length: ECAM_LENGTH,
        read: (offset, size) => this.#memoryMapped(offset)?.readConfig(offset % ECAM_FUNCTION, size) ?? allOnes(size),
        write: (offset, size, value) => this.#memoryMapped(offset)?.writeConfig(offset % ECAM_FUNCTION, size, value),
      },
    ];
  }

  plug(device: number, fn: number, target: PciFunction): void {
    const first = device * FUNCTIONS;
    this.#functions[first + fn] = target;
    const all = this.#functions.slice(first, first + FUNCTIONS).filter((each) => each !== undefined);
    if (all.length > 1) this.#functions[first]?.markMultifunction();
  }

  reset(): void {
    this.#address = 0;
  }

  save(): PciHostState {
    return { address: this.#address };
  }

  restore(untrusted: PciHostState): void {
    this.#address = (stateField(untrusted, this.name).address & ADDRESS_MASK) >>> 0;
  }

  #readPort(offset: number, size: AccessSize): number {
    if (offset >= CONFIG_DATA) return this.#selected()?.readConfig(this.#register(offset), size) ?? allOnes(size);
    if (offset === CONFIG_ADDRESS && size === 4) return partOfDword(this.#address, 0, 4);
    if (offset === 1 && size === 1 && this.#resetControl !== undefined) return this.#resetControl.read(0, 1);
    return allOnes(size);
  }

  #writePort(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG_DATA) this.#selected()?.writeConfig(this.#register(offset), size, value);
    else if (offset === CONFIG_ADDRESS && size === 4) this.#address = (value & ADDRESS_MASK) >>> 0;
    else if (offset === 1 && size === 1) this.#resetControl?.write(0, 1, value);
  }

  #register(offset: number): number {
    return (this.#address & 0xfc) + (offset & 3);
  }

  #selected(): PciFunction | undefined {
    if ((this.#address & ENABLE) === 0 || ((this.#address >>> 16) & 0xff) !== 0) return undefined;
    return this.#functions[(this.#address >>> 8) & 0xff];
  }

  #memoryMapped(offset: number): PciFunction | undefined {
    return offset < ECAM_BUS ? this.#functions[Math.floor(offset / ECAM_FUNCTION)] : undefined;
  }
}

function allOnes(size: AccessSize): number {
  return 0xffff_ffff >>> (32 - 8 * size);
}

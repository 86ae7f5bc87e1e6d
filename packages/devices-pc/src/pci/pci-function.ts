import {
  type AccessSize,
  booleanField,
  bytesField,
  choiceField,
  type Device,
  type GuestMemory,
  type IrqLine,
  invariant,
  optionalField,
  recordField,
  type StateField,
} from "@tsvm/contracts";
import { type BaseAddress, createBaseAddress, type PciBar } from "./base-address.ts";
import { gateByMaster } from "./bus-master.ts";
import { type PciCapability, type PlacedCapability, placeCapabilities } from "./capability.ts";
import {
  CLASS_CODE,
  COMMAND,
  COMMAND_INTX_DISABLE,
  COMMAND_IO,
  COMMAND_MASTER,
  COMMAND_MEMORY,
  CONFIG_LENGTH,
  type ConfigSpace,
  createConfigSpace,
  DEVICE_ID,
  HEADER_TYPE,
  INTERRUPT_LINE,
  INTERRUPT_PIN,
  REVISION_ID,
  STATUS,
  STATUS_INTERRUPT,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
} from "./config-space.ts";
import type { MessageInterrupts } from "./message-interrupts.ts";
import { createMsi, type MsiState, type PciMsiOptions } from "./msi.ts";
import { createMsix, type MsixState, type PciMsixOptions } from "./msix.ts";
import type { PciPin, PciSlot } from "./pci-slot.ts";

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** Base class, subclass and programming interface: 24 bits. */
  readonly classCode: number;
  readonly revision?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
}

/** Bytes of configuration space beyond the header, clear of the capabilities, which stand from 0x40 on. */
export interface PciRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
  /** Bits that software can change. */
  readonly writable?: number;
}

/** What makes one kind of function different from another. */
export interface PciFunctionOptions {
  /** Snapshots go by it. */
  readonly name: string;
  readonly identity: PciIdentity;
  readonly bars?: readonly PciBar[];
  readonly registers?: readonly PciRegister[];
  /** Beyond MSI and MSI-X, which have their own options. */
  readonly capabilities?: readonly PciCapability[];
  /** The pin that `interrupt` drives; none by default. */
  readonly pin?: PciPin;
  readonly msi?: PciMsiOptions;
  readonly msix?: PciMsixOptions;
}

export interface PciFunctionState {
  config: Uint8Array;
  interrupt: boolean;
  msi: MsiState | undefined;
  msix: MsixState | undefined;
}

/**
 * One function on a PCI bus: configuration space with BARs that move, capabilities, interrupts by wire and by message,
 * bus mastering. It has no regions: its registers are reached through the host bridge, its windows through its BARs.
 * The device behind it is another `Device`, which uses what is here and resets and saves for itself.
 */
export interface PciFunction extends Device<PciFunctionState> {
  readConfig(offset: number, size: AccessSize): number;
  writeConfig(offset: number, size: AccessSize, value: number): void;
  /** Shows software that the slot holds further functions; called by whoever plugs them in. */
  markMultifunction(): void;
  /** The interrupt pin: shown in the status register, silent while messages are on or the command register holds it back. */
  readonly interrupt: IrqLine;
  /** Software has turned on MSI or MSI-X: `signal` sends, and the pin is silent. */
  readonly sendsMessages: boolean;
  /** Sends message `vector`, or notes it while it is masked. Nothing happens while messages are off. */
  signal(vector: number): void;
  /** May write and read memory and send messages on its own. */
  readonly isMaster: boolean;
  /** Guest RAM as the function reaches it: out of reach (`BusError`) while it is not bus master. */
  readonly memory: GuestMemory;
}

/** A device on a PCI bus: its registers and state, and the function that software finds it by. */
export interface PciDevice<S = unknown> extends Device<S> {
  readonly pci: PciFunction;
}

/** A function in `slot`. Whatever software writes is answered; only options that make no sense throw. */
export function createPciFunction(slot: PciSlot, options: PciFunctionOptions): PciFunction {
  return new Type0Function(slot, options);
}

class Type0Function implements PciFunction {
  readonly name: string;
  readonly regions: Device["regions"] = [];
  readonly interrupt: IrqLine = { set: (level) => this.#setInterrupt(level) };
  readonly memory: GuestMemory;
  readonly #config: ConfigSpace = createConfigSpace();
  readonly #bars: readonly BaseAddress[];
  readonly #capabilities: readonly PlacedCapability[];
  readonly #line: IrqLine | undefined;
  readonly #msi: MessageInterrupts<MsiState> | undefined;
  readonly #msix: MessageInterrupts<MsixState> | undefined;
  readonly #stateField: StateField<PciFunctionState>;
  #pinLevel = false;

  constructor(slot: PciSlot, options: PciFunctionOptions) {
    const { name, pin, msi, msix, capabilities = [] } = options;
    this.name = name;
    this.memory = gateByMaster(slot.memory, () => this.isMaster);
    const send = (address: number, data: number): void => this.#send(slot, address, data);
    const table = msix && createMsix(name, msix, send);
    const bars = [...(options.bars ?? []), ...(table ? [table.bar] : [])];
    this.#msix = table;
    this.#msi = msi && createMsi(msi, send);
    this.#line = pin && slot.intx(pin);
    this.#defineHeader(options, bars);
    this.#bars = bars.map((bar) => createBaseAddress(bar, this.#config, bar.kind === "io" ? slot.io : slot.mmio));
    const interrupts = [this.#msix, this.#msi].filter((each) => each !== undefined);
    this.#capabilities = placeCapabilities(this.#config, [
      ...interrupts.map(({ capability }) => capability),
      ...capabilities,
    ]);
    for (const [i, each] of interrupts.entries()) each.attach((this.#capabilities[i] as PlacedCapability).bytes);
    this.#defineRegisters(options.registers ?? []);
    this.#stateField = recordField<PciFunctionState>({
      config: bytesField(CONFIG_LENGTH),
      interrupt: booleanField,
      msi: this.#msi?.stateField ?? absentField,
      msix: this.#msix?.stateField ?? absentField,
    });
  }

  get isMaster(): boolean {
    return (this.#command & COMMAND_MASTER) !== 0;
  }

  get sendsMessages(): boolean {
    return this.#msix?.enabled === true || this.#msi?.enabled === true;
  }

  signal(vector: number): void {
    if (this.#msix?.enabled) this.#msix.fire(vector);
    else this.#msi?.fire(vector);
  }

  markMultifunction(): void {
    this.#config.define(HEADER_TYPE, 1, 0x80);
  }

  readConfig(offset: number, size: AccessSize): number {
    for (const { capability, at, bytes } of this.#capabilities) {
      if (offset + size > at && offset < at + bytes.length) capability.onRead?.(bytes, offset - at, size);
    }
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#byte(offset + i) << (8 * i);
    return value >>> 0;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size && offset + i < CONFIG_LENGTH; i++) {
      this.#config.store(offset + i, (value >>> (8 * i)) & 0xff);
    }
    this.#heed();
    this.#msi?.update();
    this.#msix?.update();
    for (const { capability, at, bytes } of this.#capabilities) {
      if (offset + size > at && offset < at + bytes.length) capability.onWrite?.(bytes, offset - at, size);
    }
  }

  reset(): void {
    this.#config.reset();
    this.#msi?.reset();
    this.#msix?.reset();
    this.#pinLevel = false;
    this.#heed();
  }

  save(): PciFunctionState {
    return {
      config: this.#config.bytes.slice(),
      interrupt: this.#pinLevel,
      msi: this.#msi?.save(),
      msix: this.#msix?.save(),
    };
  }

  /** What software cannot write is the function's own and not taken from the state. */
  restore(untrusted: PciFunctionState): void {
    const { config, interrupt, msi, msix } = this.#stateField(untrusted, this.name);
    this.#config.load(config);
    if (msi !== undefined) this.#msi?.restore(msi);
    if (msix !== undefined) this.#msix?.restore(msix);
    this.#pinLevel = interrupt;
    this.#heed();
  }

  get #command(): number {
    return (this.#config.bytes[COMMAND] as number) | ((this.#config.bytes[COMMAND + 1] as number) << 8);
  }

  #byte(offset: number): number {
    if (offset >= CONFIG_LENGTH) return 0xff;
    const byte = this.#config.bytes[offset] as number;
    return offset === STATUS && this.#pinLevel ? byte | STATUS_INTERRUPT : byte;
  }

  #defineHeader({ identity, pin }: PciFunctionOptions, bars: readonly PciBar[]): void {
    const config = this.#config;
    const has = (io: boolean): boolean => bars.some((bar) => (bar.kind === "io") === io);
    const decodes = (has(true) ? COMMAND_IO : 0) | (has(false) ? COMMAND_MEMORY : 0);
    const intxDisable = pin === undefined ? 0 : COMMAND_INTX_DISABLE;
    config.define(VENDOR_ID, 2, identity.vendorId);
    config.define(DEVICE_ID, 2, identity.deviceId);
    config.define(COMMAND, 2, 0, decodes | COMMAND_MASTER | intxDisable);
    config.define(REVISION_ID, 1, identity.revision ?? 0);
    config.define(CLASS_CODE, 3, identity.classCode);
    config.define(SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendorId ?? 0);
    config.define(SUBSYSTEM_ID, 2, identity.subsystemId ?? 0);
    config.define(INTERRUPT_LINE, 1, 0, 0xff);
    config.define(INTERRUPT_PIN, 1, pin ?? 0);
  }

  #defineRegisters(registers: readonly PciRegister[]): void {
    for (const { offset, size, value, writable } of registers) {
      const hit = this.#capabilities.find(({ at, bytes }) => offset + size > at && offset < at + bytes.length);
      invariant(hit === undefined, `${this.name}: register 0x${offset.toString(16)} stands in a capability`);
      this.#config.define(offset, size, value, writable);
    }
  }

  /** Does what command register, BARs and interrupt state ask for. */
  #heed(): void {
    const command = this.#command;
    for (const bar of this.#bars) bar.update(command);
    this.#drivePin();
  }

  #drivePin(): void {
    const heldBack = (this.#command & COMMAND_INTX_DISABLE) !== 0 || this.sendsMessages;
    this.#line?.set(this.#pinLevel && !heldBack);
  }

  #setInterrupt(level: boolean): void {
    this.#pinLevel = level;
    this.#drivePin();
  }

  /** A message is a write to memory like any other. Above 52 bits there is nothing that could hear it. */
  #send({ msi }: PciSlot, address: number, data: number): void {
    if (this.isMaster && address < 2 ** 52) msi.signal(address, data);
  }
}

/** The state of what this function has not. */
const absentField: StateField<undefined> = optionalField(choiceField<never>());

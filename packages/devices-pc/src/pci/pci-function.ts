import {
  type AccessSize,
  booleanField,
  bytesField,
  type Device,
  type IrqLine,
  invariant,
  recordField,
} from "@tsvm/contracts";
import {
  BAR0,
  CAPABILITIES_POINTER,
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
  STATUS_CAPABILITIES,
  STATUS_INTERRUPT,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
} from "./config-space.ts";

const BAR_IO = 1;
const BAR_64 = 4;
const BAR_PREFETCHABLE = 8;

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** Base class, subclass and programming interface: 24 bits. */
  readonly classCode: number;
  readonly revision?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
  /** The device has further functions. */
  readonly multifunction?: boolean;
}

/** A base address register. */
export interface PciBar {
  /** 0 to 5; `memory64` takes the next one too. */
  readonly index: number;
  readonly kind: "io" | "memory" | "memory64";
  /** A power of two; at least 4 (io) or 16. */
  readonly length: number;
  readonly prefetchable?: boolean;
  /** Where the window stands now; undefined while the function does not decode it. */
  readonly onMove: (base: number | undefined) => void;
}

/** Bytes of configuration space beyond the header. */
export interface PciRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
  /** Bits that software can change. */
  readonly writable?: number;
}

export interface PciFunctionOptions {
  readonly name: string;
  readonly identity: PciIdentity;
  readonly bars?: readonly PciBar[];
  readonly registers?: readonly PciRegister[];
  /** Offset of the first capability, which stands in `registers`. */
  readonly capabilities?: number;
  /** The interrupt pin's wire, and which pin it is: 1 (INTA) to 4. */
  readonly intx?: { readonly pin: number; readonly line: IrqLine };
  /** Software wrote the register at `offset`; called after its bytes have changed. */
  readonly onWrite?: (offset: number) => void;
}

export interface PciFunctionState {
  config: Uint8Array;
  interrupt: boolean;
}

/** One function on a PCI bus. It has no regions: its registers are reached through the host bridge. */
export interface PciFunction extends Device<PciFunctionState> {
  readConfig(offset: number, size: AccessSize): number;
  writeConfig(offset: number, size: AccessSize, value: number): void;
  /** The device's side of the interrupt pin: shown in the status register, and held back by the command register. */
  readonly interrupt: IrqLine;
  /** May use memory on its own (bus master). */
  readonly isMaster: boolean;
}

const stateField = recordField<PciFunctionState>({
  config: bytesField(CONFIG_LENGTH),
  interrupt: booleanField,
});

export function createPciFunction(options: PciFunctionOptions): PciFunction {
  return new Type0Function(options);
}

class Type0Function implements PciFunction {
  readonly name: string;
  readonly regions: Device["regions"] = [];
  readonly interrupt: IrqLine = { set: (level) => this.#setInterrupt(level) };
  readonly #options: PciFunctionOptions;
  readonly #config: ConfigSpace = createConfigSpace();
  readonly #bases: (number | undefined)[] = [];
  #pinLevel = false;

  constructor(options: PciFunctionOptions) {
    this.name = options.name;
    this.#options = options;
    this.#defineHeader();
    for (const bar of options.bars ?? []) this.#defineBar(bar);
    for (const register of options.registers ?? []) {
      this.#config.define(register.offset, register.size, register.value, register.writable);
    }
  }

  get isMaster(): boolean {
    return (this.#command & COMMAND_MASTER) !== 0;
  }

  readConfig(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#byte(offset + i) << (8 * i);
    return value >>> 0;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size && offset + i < CONFIG_LENGTH; i++) {
      this.#config.store(offset + i, (value >>> (8 * i)) & 0xff);
    }
    this.#moveBars();
    this.#drivePin();
    this.#options.onWrite?.(offset);
  }

  reset(): void {
    this.#config.reset();
    this.#pinLevel = false;
    this.#moveBars();
    this.#drivePin();
  }

  save(): PciFunctionState {
    return { config: this.#config.bytes.slice(), interrupt: this.#pinLevel };
  }

  /** What software cannot write is the function's own and not taken from the state. */
  restore(untrusted: PciFunctionState): void {
    const state = stateField(untrusted, this.name);
    this.#config.load(state.config);
    this.#pinLevel = state.interrupt;
    this.#moveBars();
    this.#drivePin();
  }

  get #command(): number {
    return this.#config.read32(COMMAND) & 0xffff;
  }

  #byte(offset: number): number {
    if (offset >= CONFIG_LENGTH) return 0xff;
    const byte = this.#config.bytes[offset] as number;
    return offset === STATUS && this.#pinLevel ? byte | STATUS_INTERRUPT : byte;
  }

  #defineHeader(): void {
    const { identity, bars = [], capabilities, intx } = this.#options;
    const config = this.#config;
    const has = (io: boolean): boolean => bars.some((bar) => (bar.kind === "io") === io);
    const decodes = (has(true) ? COMMAND_IO : 0) | (has(false) ? COMMAND_MEMORY : 0);
    const intxDisable = intx === undefined ? 0 : COMMAND_INTX_DISABLE;
    config.define(VENDOR_ID, 2, identity.vendorId);
    config.define(DEVICE_ID, 2, identity.deviceId);
    config.define(COMMAND, 2, 0, decodes | COMMAND_MASTER | intxDisable);
    config.define(REVISION_ID, 1, identity.revision ?? 0);
    config.define(CLASS_CODE, 3, identity.classCode);
    config.define(HEADER_TYPE, 1, identity.multifunction === true ? 0x80 : 0);
    config.define(SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendorId ?? 0);
    config.define(SUBSYSTEM_ID, 2, identity.subsystemId ?? 0);
    config.define(INTERRUPT_LINE, 1, 0, 0xff);
    config.define(INTERRUPT_PIN, 1, intx?.pin ?? 0);
    if (capabilities === undefined) return;
    config.define(STATUS, 1, STATUS_CAPABILITIES);
    config.define(CAPABILITIES_POINTER, 1, capabilities);
  }

  #defineBar({ index, kind, length, prefetchable }: PciBar): void {
    const shortest = kind === "io" ? 4 : 16;
    invariant(length >= shortest && Math.log2(length) % 1 === 0, `BAR of ${length} bytes`);
    const offset = BAR0 + 4 * index;
    const type =
      kind === "io" ? BAR_IO : (kind === "memory64" ? BAR_64 : 0) | (prefetchable === true ? BAR_PREFETCHABLE : 0);
    this.#config.define(offset, 4, type, ~(Math.min(length, 2 ** 32) - 1) >>> 0);
    if (kind !== "memory64") return;
    this.#config.define(offset + 4, 4, 0, ~(Math.max(1, length / 2 ** 32) - 1) >>> 0);
  }

  /** Tells the owner of each BAR where it stands, if that has changed. */
  #moveBars(): void {
    for (const [i, bar] of (this.#options.bars ?? []).entries()) {
      const base = this.#baseOf(bar);
      if (base === this.#bases[i]) continue;
      this.#bases[i] = base;
      bar.onMove(base);
    }
  }

  #baseOf({ index, kind }: PciBar): number | undefined {
    const enable = kind === "io" ? COMMAND_IO : COMMAND_MEMORY;
    if ((this.#command & enable) === 0) return undefined;
    const offset = BAR0 + 4 * index;
    const low = (this.#config.read32(offset) & (kind === "io" ? ~3 : ~15)) >>> 0;
    const high = kind === "memory64" ? this.#config.read32(offset + 4) : 0;
    // Above 52 bits no memory can be: software is sizing the register.
    return high < 2 ** 20 ? high * 2 ** 32 + low : undefined;
  }

  #setInterrupt(level: boolean): void {
    this.#pinLevel = level;
    this.#drivePin();
  }

  #drivePin(): void {
    const heldBack = (this.#command & COMMAND_INTX_DISABLE) !== 0;
    this.#options.intx?.line.set(this.#pinLevel && !heldBack);
  }
}

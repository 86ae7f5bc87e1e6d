import { invariant, recordField, u32Field } from "@tsvm/contracts";
import type { MessageInterrupts, SendMessage } from "./message-interrupts.ts";

/** Offsets in the capability, 64 bits with masks. PCI Local Bus Specification 3.0, "MSI Capability Structure". */
const CONTROL = 2;
const ADDRESS_LOW = 4;
const ADDRESS_HIGH = 8;
const DATA = 12;
const MASK = 16;
const PENDING = 20;
const LENGTH = 24;
const CAP_ID_MSI = 0x05;

const CONTROL_ENABLE = 0x0001;
const CONTROL_CAPABLE_SHIFT = 1;
const CONTROL_GRANTED_SHIFT = 4;
const CONTROL_64 = 0x80;
const CONTROL_MASKS = 0x100;

export interface PciMsiOptions {
  /** Vectors that the function would like: 1, 2, 4, 8, 16 or 32. Software may grant fewer; they are then shared. */
  readonly vectors: number;
}

export interface MsiState {
  /** One bit a vector. */
  pending: number;
}

export function createMsi({ vectors }: PciMsiOptions, send: SendMessage): MessageInterrupts<MsiState> {
  return new Msi(vectors, send);
}

class Msi implements MessageInterrupts<MsiState> {
  readonly capability: MessageInterrupts<MsiState>["capability"];
  readonly stateField = recordField<MsiState>({ pending: u32Field });
  readonly #order: number;
  readonly #send: SendMessage;
  #registers: DataView = new DataView(new ArrayBuffer(LENGTH));

  constructor(vectors: number, send: SendMessage) {
    const order = Math.log2(vectors);
    invariant(order % 1 === 0 && order >= 0 && order <= 5, `MSI of ${vectors} vectors`);
    this.#order = order;
    this.#send = send;
    this.capability = {
      id: CAP_ID_MSI,
      body: body([[CONTROL, (order << CONTROL_CAPABLE_SHIFT) | CONTROL_64 | CONTROL_MASKS]]),
      writable: body([
        [CONTROL, CONTROL_ENABLE | (7 << CONTROL_GRANTED_SHIFT)],
        [ADDRESS_LOW, 0xffff_fffc],
        [ADDRESS_HIGH, 0xffff_ffff],
        [DATA, 0xffff],
        [MASK, this.#vectorBits],
      ]),
    };
  }

  attach(registers: Uint8Array): void {
    this.#registers = new DataView(registers.buffer, registers.byteOffset, LENGTH);
  }

  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  fire(index: number): void {
    if (index >= 2 ** this.#order || !this.enabled) return;
    const vector = index % this.#granted;
    if ((this.#read(MASK) & (1 << vector)) === 0) this.#message(vector);
    else this.#setPending(this.#read(PENDING) | (1 << vector));
  }

  update(): void {
    const pending = this.#read(PENDING);
    const due = pending & ~this.#read(MASK);
    if (!this.enabled || due === 0) return;
    this.#setPending(pending & ~due);
    for (let vector = 0; vector < this.#granted; vector++) if ((due & (1 << vector)) !== 0) this.#message(vector);
  }

  reset(): void {}

  save(): MsiState {
    return { pending: this.#read(PENDING) };
  }

  restore({ pending }: MsiState): void {
    this.#setPending(pending & this.#vectorBits);
  }

  get #control(): number {
    return this.#registers.getUint16(CONTROL, true);
  }

  get #vectorBits(): number {
    return 2 ** (2 ** this.#order) - 1;
  }

  /** Vectors that software allows, at most as many as there are. */
  get #granted(): number {
    return 2 ** Math.min((this.#control >>> CONTROL_GRANTED_SHIFT) & 7, this.#order);
  }

  #read(at: number): number {
    return this.#registers.getUint32(at, true);
  }

  #setPending(bits: number): void {
    this.#registers.setUint32(PENDING, bits, true);
  }

  /** "The function is permitted to modify only the low order bits of the message data". */
  #message(vector: number): void {
    const data = (this.#registers.getUint16(DATA, true) & ~(this.#granted - 1)) | vector;
    this.#send(this.#read(ADDRESS_HIGH) * 2 ** 32 + this.#read(ADDRESS_LOW), data);
  }
}

/** The capability without its first two bytes, from dwords at offsets that count them. */
function body(dwords: readonly (readonly [number, number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(LENGTH));
  for (const [at, value] of dwords) view.setUint32(at, value, true);
  return new Uint8Array(view.buffer).slice(2);
}

import { type AccessSize, bytesField, type IoRegion, invariant, recordField } from "@tsvm/contracts";
import type { PciBar } from "./base-address.ts";
import type { MessageInterrupts, SendMessage } from "./message-interrupts.ts";

/** Bytes of a table entry: address low and high, data, vector control. PCI Local Bus Specification 3.0, "MSI-X". */
const ENTRY_LENGTH = 16;
const ENTRY_DATA = 8;
const ENTRY_CONTROL = 12;
const ENTRY_CONTROL_MASK = 1;

const CAP_ID_MSIX = 0x11;
const CONTROL = 2;
const CONTROL_ENABLE = 0x8000;
const CONTROL_FUNCTION_MASK = 0x4000;

const VECTORS_MAX = 2048;
/** The window of a table that needs no more: the pending bits in its second half. */
const WINDOW_MIN = 0x1000;

export interface PciMsixOptions {
  /** 1 to 2048. */
  readonly vectors: number;
  /** The BAR, 0 to 5, that table and pending bits have for themselves. */
  readonly bar: number;
}

export interface MsixState {
  table: Uint8Array;
  pending: Uint8Array;
}

/** MSI-X, with the BAR that shows its table. */
export interface Msix extends MessageInterrupts<MsixState> {
  readonly bar: PciBar;
}

export function createMsix(name: string, options: PciMsixOptions, send: SendMessage): Msix {
  return new MsixTable(name, options, send);
}

class MsixTable implements Msix {
  readonly capability: Msix["capability"];
  readonly bar: PciBar;
  readonly stateField: Msix["stateField"];
  readonly #count: number;
  readonly #send: SendMessage;
  readonly #table: Uint8Array;
  readonly #entries: DataView;
  readonly #pending: Uint8Array;
  #registers: DataView = new DataView(new ArrayBuffer(ENTRY_CONTROL));

  constructor(name: string, { vectors, bar }: PciMsixOptions, send: SendMessage) {
    invariant(Number.isInteger(vectors) && vectors > 0 && vectors <= VECTORS_MAX, `MSI-X of ${vectors} vectors`);
    this.#count = vectors;
    this.#send = send;
    this.#table = new Uint8Array(ENTRY_LENGTH * vectors);
    this.#entries = new DataView(this.#table.buffer);
    this.#pending = new Uint8Array(8 * Math.ceil(vectors / 64));
    this.stateField = recordField<MsixState>({
      table: bytesField(this.#table.length),
      pending: bytesField(this.#pending.length),
    });
    const length = Math.max(WINDOW_MIN, 2 ** Math.ceil(Math.log2(2 * this.#table.length)));
    this.bar = { index: bar, kind: "memory", region: this.#window(`${name}-msix`, length) };
    this.capability = { id: CAP_ID_MSIX, body: body(vectors - 1, bar, length / 2), writable: body(0xc000, 0, 0) };
    this.reset();
  }

  attach(registers: Uint8Array): void {
    this.#registers = new DataView(registers.buffer, registers.byteOffset, registers.length);
  }

  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  fire(index: number): void {
    if (index >= this.#count || !this.enabled) return;
    if (this.#isMasked(index)) this.#setPending(index, true);
    else this.#message(index);
  }

  update(): void {
    if (!this.enabled || (this.#control & CONTROL_FUNCTION_MASK) !== 0) return;
    for (let index = 0; index < this.#count; index++) this.#sendIfDue(index);
  }

  /** Every vector masked, as the specification has them after a reset. */
  reset(): void {
    this.#table.fill(0);
    this.#pending.fill(0);
    for (let index = 0; index < this.#count; index++) {
      this.#table[ENTRY_LENGTH * index + ENTRY_CONTROL] = ENTRY_CONTROL_MASK;
    }
  }

  save(): MsixState {
    return { table: this.#table.slice(), pending: this.#pending.slice() };
  }

  restore({ table, pending }: MsixState): void {
    for (let at = 0; at < table.length; at++) this.#store(at, table[at] as number);
    this.#pending.set(pending);
  }

  get #control(): number {
    return this.#registers.getUint16(CONTROL, true);
  }

  #isMasked(index: number): boolean {
    if ((this.#control & CONTROL_FUNCTION_MASK) !== 0) return true;
    return ((this.#table[ENTRY_LENGTH * index + ENTRY_CONTROL] as number) & ENTRY_CONTROL_MASK) !== 0;
  }

  #setPending(index: number, pending: boolean): void {
    const byte = this.#pending[index >>> 3] as number;
    const bit = 1 << (index & 7);
    this.#pending[index >>> 3] = pending ? byte | bit : byte & ~bit;
  }

  #sendIfDue(index: number): void {
    if (((this.#pending[index >>> 3] as number) & (1 << (index & 7))) === 0 || this.#isMasked(index)) return;
    this.#setPending(index, false);
    this.#message(index);
  }

  #message(index: number): void {
    const entry = ENTRY_LENGTH * index;
    const [low, high] = [this.#entries.getUint32(entry, true), this.#entries.getUint32(entry + 4, true)];
    this.#send(high * 2 ** 32 + low, this.#entries.getUint32(entry + ENTRY_DATA, true));
  }

  /** The table in the first half, the pending bits, which are only read, in the second. */
  #window(name: string, length: number): IoRegion {
    const half = length / 2;
    return {
      name,
      length,
      read: (offset: number, size: AccessSize): number =>
        offset < half ? readBytes(this.#table, offset, size) : readBytes(this.#pending, offset - half, size),
      write: (offset: number, size: AccessSize, value: number): void => {
        if (offset >= this.#table.length) return;
        for (let i = 0; i < size && offset + i < this.#table.length; i++) this.#store(offset + i, value >>> (8 * i));
        const entry = Math.floor(offset / ENTRY_LENGTH);
        if (this.enabled) this.#sendIfDue(entry);
      },
    };
  }

  /** Of the vector control, only the mask bit can be written. */
  #store(at: number, byte: number): void {
    const field = at % ENTRY_LENGTH;
    this.#table[at] = byte & (field < ENTRY_CONTROL ? 0xff : field === ENTRY_CONTROL ? ENTRY_CONTROL_MASK : 0);
  }
}

/** The capability without its first two bytes: message control, then where table and pending bits are. */
function body(control: number, bar: number, pendingAt: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint16(CONTROL, control, true);
  view.setUint32(4, bar, true);
  view.setUint32(8, pendingAt | bar, true);
  return new Uint8Array(view.buffer).slice(2);
}

/** The little-endian number of `size` bytes at `offset`; zeros past the end. */
function readBytes(bytes: Uint8Array, offset: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0) << (8 * i);
  return value >>> 0;
}

/**
 * The PC16550D UART with FIFOs, as National Semiconductor's data sheet describes it. It transmits at once, so THR is
 * always empty again; when the interrupt for that is raised and withdrawn is what drivers are particular about:
 * 1. Enabling IER.ETBEI while THR is empty raises it, every time (Linux' THRE test and its start of transmission).
 * 2. Reading IIR withdraws it only if IIR named it; writing THR withdraws it and, THR emptying at once, raises it anew.
 *
 * The interrupt output is not gated by MCR.OUT2 as a PC's board gates it: small guests never set it.
 */
import {
  booleanField,
  byteRegion,
  type Chardev,
  type Clock,
  choiceField,
  type Device,
  finiteField,
  type IoRegion,
  type IrqLine,
  integerField,
  listField,
  recordField,
  u8Field,
  u16Field,
} from "@tsvm/contracts";
import { createBatchedOutput } from "./batched-output.ts";
import { createReceiver, POLLS_TO_LISTEN, type ReceiverState } from "./receiver.ts";
import { FIFO_DEPTH } from "./receiver-fifo.ts";
import {
  CLOCK_HZ,
  FCR_FIFO_ENABLE,
  FCR_RCVR_RESET,
  FCR_TRIGGERS,
  IER_DLM,
  IER_EDSSI,
  IER_ELSI,
  IER_ERBFI,
  IER_ETBEI,
  IIR_CHARACTER_TIMEOUT,
  IIR_DATA_AVAILABLE,
  IIR_FCR,
  IIR_FIFOS_ENABLED,
  IIR_LINE_STATUS,
  IIR_MODEM_STATUS,
  IIR_NONE,
  IIR_THR_EMPTY,
  LCR,
  LCR_DLAB,
  LCR_PEN,
  LCR_STB,
  LCR_WLS,
  LSR,
  LSR_ERRORS,
  LSR_TEMT,
  LSR_THRE,
  MCR,
  MCR_DTR,
  MCR_LOOP,
  MCR_MASK,
  MCR_OUT1,
  MCR_OUT2,
  MCR_RTS,
  MSR,
  MSR_CTS,
  MSR_DCD,
  MSR_DCTS,
  MSR_DDCD,
  MSR_DDSR,
  MSR_DELTAS,
  MSR_DSR,
  MSR_RI,
  MSR_TERI,
  RBR_THR_DLL,
  SCR,
} from "./uart-registers.ts";

/** Whoever is at the other end is there and ready. */
const CONNECTED = MSR_DCD | MSR_DSR | MSR_CTS;
/** 9600 baud, what firmware leaves behind. */
const DEFAULT_DIVISOR = 12;
const NS_PER_SECOND = 1e9;
/** Twelve bits at divisor 65536, rounded up. */
const MAX_CHARACTER_NS = 7_000_000_000;

export interface Uart16550Options {
  /** INTRPT. */
  readonly irq: IrqLine;
  /** SOUT and SIN. */
  readonly chardev: Chardev;
  readonly clock: Clock;
  /** Default "uart16550". */
  readonly name?: string;
}

export interface Uart16550State {
  divisor: number;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  msrDeltas: number;
  scr: number;
  thrEmptyPending: boolean;
  receiver: ReceiverState;
}

export interface Uart16550 extends Device<Uart16550State> {
  /** A break condition on the line, which arrives ahead of input still waiting in the chardev. */
  sendBreak(): void;
  /** Hands transmitted bytes to the chardev at once; the board calls it when the machine stops. */
  flush(): void;
}

const entryField = integerField(0, 0x3ff);
const stateField = recordField<Uart16550State>({
  divisor: u16Field,
  ier: integerField(0, 0x0f),
  fcr: u8Field,
  lcr: u8Field,
  mcr: integerField(0, MCR_MASK),
  msrDeltas: integerField(0, MSR_DELTAS),
  scr: u8Field,
  thrEmptyPending: booleanField,
  receiver: recordField<ReceiverState>({
    fifo: listField(entryField, 0, FIFO_DEPTH),
    held: listField(u8Field, 0, FIFO_DEPTH),
    errors: integerField(0, LSR_ERRORS),
    trigger: integerField(1, FIFO_DEPTH),
    depth: choiceField(1, FIFO_DEPTH),
    listening: booleanField,
    looped: booleanField,
    polls: integerField(0, POLLS_TO_LISTEN - 1),
    breakWaiting: booleanField,
    timedOut: booleanField,
    timeoutNs: finiteField,
    lineFreeNs: finiteField,
    characterNs: integerField(0, MAX_CHARACTER_NS),
  }),
});

/** One region of eight byte-wide registers. */
export function createUart16550(options: Uart16550Options): Uart16550 {
  return new Uart(options);
}

class Uart implements Uart16550 {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly #irq: IrqLine;
  readonly #output: ReturnType<typeof createBatchedOutput>;
  readonly #receiver: ReturnType<typeof createReceiver>;
  #divisor = DEFAULT_DIVISOR;
  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr = 0;
  #msrDeltas = 0;
  #scr = 0;
  #thrEmptyPending = false;
  #level = false;

  constructor({ irq, chardev, clock, name = "uart16550" }: Uart16550Options) {
    this.name = name;
    this.#irq = irq;
    this.#output = createBatchedOutput(chardev, clock);
    this.#receiver = createReceiver(chardev, clock, () => this.#updateIrq());
    const read = (offset: number): number => this.#read(offset);
    const write = (offset: number, value: number): void => this.#write(offset, value);
    this.regions = [byteRegion(name, 8, read, write)];
    this.reset();
  }

  reset(): void {
    this.#receiver.reset();
    this.#divisor = DEFAULT_DIVISOR;
    this.#ier = this.#fcr = this.#lcr = this.#mcr = this.#msrDeltas = this.#scr = 0;
    this.#thrEmptyPending = false;
    this.#updateLineTiming();
    this.#driveIrq(false);
  }

  save(): Uart16550State {
    this.flush();
    return {
      divisor: this.#divisor,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      msrDeltas: this.#msrDeltas,
      scr: this.#scr,
      thrEmptyPending: this.#thrEmptyPending,
      receiver: this.#receiver.save(),
    };
  }

  restore(untrusted: Uart16550State): void {
    const state = stateField(untrusted, this.name);
    this.#divisor = state.divisor;
    this.#ier = state.ier;
    this.#fcr = state.fcr;
    this.#lcr = state.lcr;
    this.#mcr = state.mcr;
    this.#msrDeltas = state.msrDeltas;
    this.#scr = state.scr;
    this.#thrEmptyPending = state.thrEmptyPending;
    this.#receiver.restore(state.receiver);
    this.#driveIrq(this.#pendingInterrupt() !== IIR_NONE);
  }

  sendBreak(): void {
    this.#receiver.sendBreak();
  }

  flush(): void {
    this.#output.flush();
  }

  #read(offset: number): number {
    if (offset !== LSR) this.#receiver.notePollEnd();
    switch (offset) {
      case RBR_THR_DLL:
        return this.#dlab ? this.#divisor & 0xff : this.#takeCharacter();
      case IER_DLM:
        return this.#dlab ? this.#divisor >>> 8 : this.#ier;
      case IIR_FCR:
        return this.#readIir();
      case LCR:
        return this.#lcr;
      case MCR:
        return this.#mcr;
      case LSR:
        return this.#readLsr();
      case MSR:
        return this.#readMsr();
      default:
        return this.#scr;
    }
  }

  #write(offset: number, value: number): void {
    this.#receiver.notePollEnd();
    switch (offset) {
      case RBR_THR_DLL:
        if (this.#dlab) this.#setDivisor((this.#divisor & 0xff00) | value);
        else this.#transmit(value);
        break;
      case IER_DLM:
        if (this.#dlab) this.#setDivisor((this.#divisor & 0xff) | (value << 8));
        else this.#writeIer(value & 0x0f);
        break;
      case IIR_FCR:
        this.#writeFcr(value);
        break;
      case LCR:
        this.#lcr = value;
        this.#updateLineTiming();
        break;
      case MCR:
        this.#writeMcr(value & MCR_MASK);
        break;
      case SCR:
        this.#scr = value;
        break;
      // LSR and MSR are read-only: writing LSR is for factory testing, says the data sheet.
    }
  }

  get #dlab(): boolean {
    return (this.#lcr & LCR_DLAB) !== 0;
  }

  #takeCharacter(): number {
    const character = this.#receiver.take();
    this.#updateIrq();
    return character;
  }

  #transmit(byte: number): void {
    if ((this.#mcr & MCR_LOOP) !== 0) this.#receiver.loop(byte);
    else this.#output.put(byte);
    this.#thrEmptyPending = true;
    this.#updateIrq();
  }

  #writeIer(value: number): void {
    const changed = this.#ier ^ value;
    this.#ier = value;
    if ((changed & IER_ETBEI) !== 0) this.#thrEmptyPending = (value & IER_ETBEI) !== 0;
    if ((changed & IER_ERBFI) !== 0) this.#receiver.setListening((value & IER_ERBFI) !== 0);
    this.#updateIrq();
  }

  #writeFcr(value: number): void {
    // "Bit 0 must be a 1 when other FCR bits are written to or they will not be programmed"; its change clears the FIFO.
    const enabled = (value & FCR_FIFO_ENABLE) !== 0;
    if (enabled && (value & FCR_RCVR_RESET) !== 0) this.#receiver.clear();
    this.#receiver.setFifo(enabled ? FCR_TRIGGERS[value >>> 6] : undefined);
    this.#fcr = value;
    this.#updateIrq();
  }

  #writeMcr(value: number): void {
    const before = this.#modemLines();
    this.#mcr = value;
    const after = this.#modemLines();
    const changed = before ^ after;
    if ((changed & MSR_CTS) !== 0) this.#msrDeltas |= MSR_DCTS;
    if ((changed & MSR_DSR) !== 0) this.#msrDeltas |= MSR_DDSR;
    if ((changed & before & MSR_RI) !== 0) this.#msrDeltas |= MSR_TERI;
    if ((changed & MSR_DCD) !== 0) this.#msrDeltas |= MSR_DDCD;
    this.#receiver.setLooped((value & MCR_LOOP) !== 0);
    this.#updateIrq();
  }

  /** MSR bits 7:4: the far end's signals, or in loopback our own modem control outputs. */
  #modemLines(): number {
    const mcr = this.#mcr;
    if ((mcr & MCR_LOOP) === 0) return CONNECTED;
    return (
      ((mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    );
  }

  #readIir(): number {
    const pending = this.#pendingInterrupt();
    if (pending === IIR_THR_EMPTY) {
      this.#thrEmptyPending = false;
      this.#updateIrq();
    }
    return pending | ((this.#fcr & FCR_FIFO_ENABLE) !== 0 ? IIR_FIFOS_ENABLED : 0);
  }

  #readLsr(): number {
    const status = this.#receiver.status | LSR_THRE | LSR_TEMT;
    this.#receiver.poll();
    if ((status & LSR_ERRORS) !== 0) this.#updateIrq();
    return status;
  }

  #readMsr(): number {
    const status = this.#modemLines() | this.#msrDeltas;
    this.#msrDeltas = 0;
    this.#updateIrq();
    return status;
  }

  #setDivisor(divisor: number): void {
    this.#divisor = divisor;
    this.#updateLineTiming();
  }

  #updateLineTiming(): void {
    const lcr = this.#lcr;
    const bits = 1 + 5 + (lcr & LCR_WLS) + ((lcr & LCR_PEN) !== 0 ? 1 : 0) + ((lcr & LCR_STB) !== 0 ? 2 : 1);
    // Divisor 0 is not defined; chips count it as the longest.
    const cycles = bits * 16 * (this.#divisor === 0 ? 0x10000 : this.#divisor);
    this.#receiver.setCharacterTime(Math.ceil((cycles * NS_PER_SECOND) / CLOCK_HZ));
  }

  /** The data sheet's table "Interrupt Control Functions", highest priority first. */
  #pendingInterrupt(): number {
    const receiver = this.#receiver;
    const ier = this.#ier;
    if ((ier & IER_ELSI) !== 0 && (receiver.status & LSR_ERRORS) !== 0) return IIR_LINE_STATUS;
    if ((ier & IER_ERBFI) !== 0) {
      if (receiver.triggered) return IIR_DATA_AVAILABLE;
      if (receiver.timedOut) return IIR_CHARACTER_TIMEOUT;
    }
    if ((ier & IER_ETBEI) !== 0 && this.#thrEmptyPending) return IIR_THR_EMPTY;
    if ((ier & IER_EDSSI) !== 0 && this.#msrDeltas !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #updateIrq(): void {
    const level = this.#pendingInterrupt() !== IIR_NONE;
    if (level !== this.#level) this.#driveIrq(level);
  }

  #driveIrq(level: boolean): void {
    this.#level = level;
    this.#irq.set(level);
  }
}

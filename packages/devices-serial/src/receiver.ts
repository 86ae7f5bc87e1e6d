/**
 * The receiving half of a UART: FIFO, trigger level, character timeout, and the line that feeds it.
 *
 * Invariants, which together mean that no input is ever lost on our side:
 * 1. Characters are pulled from the chardev only into an empty FIFO and only as many as it holds; the rest waits there.
 * 2. They are pulled only for a guest that listens: one that has receive interrupts enabled, or polls (see `poll`).
 *    What arrives before a driver has set the port up waits for it instead of vanishing in its initialisation.
 * 3. A FIFO reset gives unread characters back to the line (`held`).
 * 4. At most one FIFO is pulled per FIFO's time on the wire, so that an interrupt handler which reads until the FIFO is
 *    empty comes to an end, and a guest without flow control keeps up with a paste as it would with a real line.
 */
import type { Chardev, Clock, Disposable } from "@tsvm/contracts";
import { createReceiverFifo, ENTRY_BREAK, ENTRY_LOOPED, FIFO_DEPTH } from "./receiver-fifo.ts";
import { LSR_BI, LSR_DR, LSR_FIFO_ERROR, LSR_OE } from "./uart-registers.ts";

/** Of a start bit, eight data bits and a stop bit at 115200 baud. */
const FASTEST_CHARACTER_NS = 86_806;
/** Silence after which waiting characters below the trigger level are announced ("FIFO Interrupt Mode Operation"). */
const TIMEOUT_CHARACTERS = 4;
/**
 * Reads of an empty LSR in a row that nobody makes who does not wait for input. Linux makes pairs of them: between
 * console messages, and as it opens the port, where it then throws away whatever it finds in RBR.
 */
export const POLLS_TO_LISTEN = 16;

export interface ReceiverState {
  readonly fifo: readonly number[];
  readonly held: readonly number[];
  readonly errors: number;
  readonly trigger: number;
  readonly depth: number;
  readonly listening: boolean;
  readonly looped: boolean;
  readonly polls: number;
  readonly breakWaiting: boolean;
  readonly timedOut: boolean;
  readonly timeoutNs: number;
  readonly lineFreeNs: number;
  readonly characterNs: number;
}

export interface Receiver {
  /** The receiver's bits of LSR. */
  readonly status: number;
  readonly timedOut: boolean;
  /** The FIFO has reached its trigger level (or holds anything, in 16450 mode). */
  readonly triggered: boolean;
  /** RBR: takes the oldest character. */
  take(): number;
  /** LSR was read: its error bits clear, and a guest that only ever polls gets its input. */
  poll(): void;
  /** Another register than LSR was accessed. */
  notePollEnd(): void;
  /** A character from the own transmitter, in loopback. */
  loop(byte: number): void;
  sendBreak(): void;
  setListening(on: boolean): void;
  setLooped(on: boolean): void;
  /** FIFO mode with `trigger` characters, or 16450 mode when undefined. */
  setFifo(trigger: number | undefined): void;
  /** Nanoseconds a character takes on the line as programmed. */
  setCharacterTime(ns: number): void;
  /** FCR's receiver reset. */
  clear(): void;
  reset(): void;
  save(): ReceiverState;
  /** `state` was validated. */
  restore(state: ReceiverState): void;
}

/** `changed` is called when characters arrive or time out on their own, not by a call of the UART. */
export function createReceiver(chardev: Chardev, clock: Clock, changed: () => void): Receiver {
  return new PacedReceiver(chardev, clock, changed);
}

class PacedReceiver implements Receiver {
  readonly #chardev: Chardev;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #fifo = createReceiverFifo();
  #held: number[] = [];
  #errors = 0;
  #trigger = 1;
  #depth = 1;
  #listening = false;
  #looped = false;
  #polls = 0;
  #breakWaiting = false;
  #timedOut = false;
  #timeoutNs = 0;
  #lineFreeNs = 0;
  #characterNs = FASTEST_CHARACTER_NS;
  #alarm: Disposable | undefined;
  #alarmNs = 0;

  constructor(chardev: Chardev, clock: Clock, changed: () => void) {
    this.#chardev = chardev;
    this.#clock = clock;
    this.#changed = changed;
    chardev.onInput(() => this.#pull());
  }

  get status(): number {
    const data = this.#fifo.count > 0 ? LSR_DR : 0;
    const anyError = this.#fifo.breaks > 0 && this.#depth > 1 ? LSR_FIFO_ERROR : 0;
    return data | anyError | this.#errors;
  }

  get timedOut(): boolean {
    return this.#timedOut;
  }

  get triggered(): boolean {
    return this.#fifo.count >= this.#trigger;
  }

  take(): number {
    const entry = this.#fifo.pop();
    this.#timedOut = false;
    if (this.#breakWaiting) {
      this.#breakWaiting = false;
      this.#fifo.push(ENTRY_BREAK);
    }
    this.#noteTop();
    this.#restartTimeout();
    if (this.#listening) this.#pull();
    return entry & 0xff;
  }

  poll(): void {
    this.#errors = 0;
    if (this.#fifo.count > 0 || ++this.#polls < POLLS_TO_LISTEN) return;
    this.#polls = 0;
    this.#pull(true);
  }

  notePollEnd(): void {
    this.#polls = 0;
  }

  loop(byte: number): void {
    const entry = byte | ENTRY_LOOPED;
    if (this.#fifo.count < this.#depth) this.#receive(entry);
    else this.#overrun(entry);
  }

  sendBreak(): void {
    if (this.#looped) return;
    if (this.#fifo.count < this.#depth) this.#receive(ENTRY_BREAK);
    else this.#breakWaiting = true;
    this.#changed();
  }

  setListening(on: boolean): void {
    this.#listening = on;
    if (on) this.#pull();
  }

  setLooped(on: boolean): void {
    this.#looped = on;
    if (!on && this.#listening) this.#pull();
  }

  setFifo(trigger: number | undefined): void {
    const depth = trigger === undefined ? 1 : FIFO_DEPTH;
    if (depth !== this.#depth) this.clear();
    this.#depth = depth;
    this.#trigger = trigger ?? 1;
    this.#restartTimeout();
  }

  setCharacterTime(ns: number): void {
    this.#characterNs = ns;
  }

  clear(): void {
    const ofTheLine = this.#fifo.toArray().filter((entry) => entry <= 0xff);
    this.#held = [...ofTheLine, ...this.#held];
    this.#fifo.clear();
    this.#timedOut = false;
    this.#breakWaiting = false;
    if (this.#listening) this.#pull();
  }

  reset(): void {
    this.#listening = false;
    this.clear();
    this.#alarm?.dispose();
    this.#alarm = undefined;
    this.#errors = this.#polls = this.#timeoutNs = this.#lineFreeNs = 0;
    this.#trigger = this.#depth = 1;
    this.#looped = false;
    this.#characterNs = FASTEST_CHARACTER_NS;
  }

  save(): ReceiverState {
    return {
      fifo: this.#fifo.toArray(),
      held: [...this.#held],
      errors: this.#errors,
      trigger: this.#trigger,
      depth: this.#depth,
      listening: this.#listening,
      looped: this.#looped,
      polls: this.#polls,
      breakWaiting: this.#breakWaiting,
      timedOut: this.#timedOut,
      timeoutNs: this.#timeoutNs,
      lineFreeNs: this.#lineFreeNs,
      characterNs: this.#characterNs,
    };
  }

  restore(state: ReceiverState): void {
    this.#fifo.clear();
    for (const entry of state.fifo) this.#fifo.push(entry);
    this.#held = [...state.held];
    this.#errors = state.errors;
    this.#trigger = state.trigger;
    this.#depth = state.depth;
    this.#listening = state.listening;
    this.#looped = state.looped;
    this.#polls = state.polls;
    this.#breakWaiting = state.breakWaiting;
    this.#timedOut = state.timedOut;
    this.#timeoutNs = state.timeoutNs;
    this.#lineFreeNs = state.lineFreeNs;
    this.#characterNs = state.characterNs;
    this.#alarm?.dispose();
    this.#alarm = undefined;
    if (this.#awaitsTimeout()) this.#schedule(this.#timeoutNs);
    if (this.#listening && this.#fifo.count === 0) this.#schedule(this.#lineFreeNs);
  }

  /** Fills an empty FIFO, now or when the line is free again. `polled` stands in for receive interrupts. */
  #pull(polled = false): void {
    if (this.#looped || this.#fifo.count > 0 || !(this.#listening || polled)) return;
    const now = this.#clock.now();
    if (now < this.#lineFreeNs) {
      this.#schedule(this.#lineFreeNs);
      return;
    }
    const fromHeld = this.#held.splice(0, this.#depth);
    for (const byte of fromHeld) this.#receive(byte);
    const room = this.#depth - fromHeld.length;
    if (room > 0) for (const byte of this.#chardev.read(room)) this.#receive(byte);
    if (this.#fifo.count === 0) return;
    // Never slower than 115200 baud: consoles are left at 9600 by default, and nobody wants a paste to take a minute.
    const characterNs = Math.min(this.#characterNs, FASTEST_CHARACTER_NS);
    this.#lineFreeNs = now + this.#fifo.count * characterNs;
    this.#changed();
  }

  #receive(entry: number): void {
    this.#fifo.push(entry);
    if (this.#fifo.count === 1) this.#noteTop();
    this.#timedOut = false;
    this.#restartTimeout();
  }

  /** In FIFO mode the character in the shift register is lost, in 16450 mode the one in RBR ("Line Status Register"). */
  #overrun(entry: number): void {
    this.#errors |= LSR_OE;
    if (this.#depth === 1) this.#fifo.replaceNewest(entry);
  }

  /** LSR.BI belongs to the character at the top of the FIFO. */
  #noteTop(): void {
    if (((this.#fifo.peek() ?? 0) & ENTRY_BREAK) !== 0) this.#errors |= LSR_BI;
  }

  #awaitsTimeout(): boolean {
    return this.#depth > 1 && this.#fifo.count > 0 && !this.triggered && !this.#timedOut;
  }

  #restartTimeout(): void {
    if (!this.#awaitsTimeout()) return;
    const silence = TIMEOUT_CHARACTERS * Math.min(this.#characterNs, FASTEST_CHARACTER_NS);
    this.#timeoutNs = this.#clock.now() + silence;
    this.#schedule(this.#timeoutNs);
  }

  /** One alarm serves both deadlines; one that rings too early looks again instead of being moved at every character. */
  #schedule(deadlineNs: number): void {
    if (this.#alarm !== undefined && this.#alarmNs <= deadlineNs) return;
    this.#alarm?.dispose();
    this.#alarmNs = deadlineNs;
    this.#alarm = this.#clock.arm(deadlineNs, () => {
      this.#alarm = undefined;
      this.#ring();
    });
  }

  #ring(): void {
    this.#pull();
    if (!this.#awaitsTimeout()) return;
    if (this.#clock.now() < this.#timeoutNs) {
      this.#schedule(this.#timeoutNs);
      return;
    }
    this.#timedOut = true;
    this.#changed();
  }
}

import { booleanField, optionalField, recordField, type StateField } from "@tsvm/contracts";
import type { ModelHost } from "../device/model.ts";
import { type ChainState, chainField, type DescriptorChain } from "../queue/descriptor-chain.ts";
import { drainQueue } from "../queue/drain.ts";
import type { ConsoleSize, ResolvedPort } from "./serial-options.ts";

/** Entries of a port's queues. */
export const PORT_QUEUE_SIZE = 128;
/** The most bytes in one buffer of output: more is no driver, but one that would make the host copy for seconds. */
const TRANSMIT_LIMIT = 0x10_0000;
/** Bytes carried between chardev and guest at a time. */
const PIECE = 4096;

export interface SerialPortState {
  /** The driver has opened the port. */
  open: boolean;
  /** A buffer of the driver's that waits for input. */
  waiting: ChainState | undefined;
}

export const serialPortField: StateField<SerialPortState> = recordField<SerialPortState>({
  open: booleanField,
  waiting: optionalField(chainField),
});

/**
 * Bytes of one port, both ways. Input stays with the chardev until the guest has opened the port and has a buffer for it:
 * none is lost. Output of the guest with nobody at the other end is dropped.
 */
export class SerialPort {
  readonly port: ResolvedPort;
  /** Somebody is at the host's end. */
  connected: boolean;
  size: ConsoleSize | undefined;
  readonly #receiveQueue: number;
  readonly #transmitQueue: number;
  readonly #host: () => ModelHost | undefined;
  /** A driver without control messages has its only port open all the time. */
  readonly #alwaysOpen: () => boolean;
  #open = false;
  #waiting: DescriptorChain | undefined;

  constructor(port: ResolvedPort, host: () => ModelHost | undefined, alwaysOpen: () => boolean) {
    this.port = port;
    this.connected = port.connected;
    this.size = port.size;
    // Queues 2 and 3 are the control port's, which came between the first port and the others.
    this.#receiveQueue = port.number === 0 ? 0 : 2 + 2 * port.number;
    this.#transmitQueue = this.#receiveQueue + 1;
    this.#host = host;
    this.#alwaysOpen = alwaysOpen;
  }

  get isOpen(): boolean {
    return this.#open || this.#alwaysOpen();
  }

  setOpen(open: boolean): void {
    this.#open = open;
    if (open) this.receive();
  }

  /** The driver kicked queue `index`; false if it is none of this port's. */
  notify(index: number): boolean {
    if (index === this.#receiveQueue) this.receive();
    else if (index === this.#transmitQueue) this.#transmit();
    else return false;
    return true;
  }

  /** The driver took the buffers of queue `index` back. */
  resetQueue(index: number): void {
    if (index === this.#receiveQueue) this.#waiting = undefined;
  }

  reset(): void {
    this.#open = false;
    this.#waiting = undefined;
  }

  save(): SerialPortState {
    return { open: this.#open, waiting: this.#waiting?.save() };
  }

  restore({ open, waiting }: SerialPortState): void {
    this.#open = open;
    this.#waiting = waiting && this.#host()?.resume(waiting);
  }

  /** Moves waiting input into the driver's buffers, a buffer at a time, until either runs out. */
  receive(): void {
    const host = this.#host();
    const queue = host?.queue(this.#receiveQueue);
    if (host === undefined || queue === undefined || !this.isOpen) return;
    for (let filled = 0; filled < PORT_QUEUE_SIZE; filled++) {
      this.#waiting ??= queue.pop();
      if (this.#waiting === undefined) break;
      const input = this.port.chardev.read(Math.min(PIECE, this.#waiting.writableLength));
      if (input.length === 0 && this.#waiting.writableLength > 0) break;
      if (!this.#waiting.write(input)) return host.fail();
      queue.push(this.#waiting, input.length);
      this.#waiting = undefined;
    }
    host.signal(this.#receiveQueue);
  }

  #transmit(): void {
    const host = this.#host();
    const queue = host?.queue(this.#transmitQueue);
    if (host === undefined || queue === undefined) return;
    drainQueue(queue, PORT_QUEUE_SIZE, (chain) => {
      if (this.#send(chain)) queue.push(chain, 0);
      else host.fail();
    });
    host.signal(this.#transmitQueue);
  }

  /** False if the buffer is not in RAM, or longer than anybody's. */
  #send(chain: DescriptorChain): boolean {
    if (chain.readableLength > TRANSMIT_LIMIT) return false;
    if (!this.connected) return true;
    while (chain.readPosition < chain.readableLength) {
      // A fresh array each time: the chardev may keep it.
      const piece = new Uint8Array(Math.min(PIECE, chain.readableLength - chain.readPosition));
      if (!chain.read(piece)) return false;
      this.port.chardev.write(piece);
    }
    return true;
  }
}

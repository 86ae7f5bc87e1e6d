import { bytesField, listField, type StateField } from "@tsvm/contracts";
import type { ModelHost } from "../device/model.ts";
import { drainQueue } from "../queue/drain.ts";
import { CONTROL_LENGTH, CONTROL_MESSAGE_MAX, type ControlMessage, decodeControl } from "./control-message.ts";

const RECEIVE = 2;
const TRANSMIT = 3;
/** Entries of the control queues. */
export const CONTROL_QUEUE_SIZE = 32;
/** More waiting messages than any honest driver leaves lying; what comes after is dropped. */
const WAITING_LIMIT = 256;

/** Messages the driver has no buffer for yet, oldest first. */
export type ControlPortState = Uint8Array[];

export const controlPortField: StateField<ControlPortState> = listField(
  bytesField(CONTROL_LENGTH, CONTROL_MESSAGE_MAX),
  0,
  WAITING_LIMIT,
);

/** The two control queues: messages to the driver wait for its buffers, its own go to `onMessage`. */
export class ControlPort {
  readonly #host: () => ModelHost | undefined;
  readonly #onMessage: (message: ControlMessage) => void;
  #waiting: Uint8Array[] = [];

  constructor(host: () => ModelHost | undefined, onMessage: (message: ControlMessage) => void) {
    this.#host = host;
    this.#onMessage = onMessage;
  }

  send(message: Uint8Array): void {
    if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(message);
    this.#deliver();
  }

  notify(index: number): void {
    if (index === RECEIVE) this.#deliver();
    if (index === TRANSMIT) this.#take();
  }

  reset(): void {
    this.#waiting = [];
  }

  save(): ControlPortState {
    return this.#waiting.map((message) => message.slice());
  }

  restore(state: ControlPortState): void {
    this.#waiting = state;
  }

  #deliver(): void {
    const host = this.#host();
    const queue = host?.queue(RECEIVE);
    if (host === undefined || queue === undefined || this.#waiting.length === 0) return;
    while (this.#waiting.length > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const message = this.#waiting.shift() as Uint8Array;
      // A name is cut to the driver's room; less than a header is against the rules.
      const part = message.subarray(0, Math.min(message.length, chain.writableLength));
      if (part.length < CONTROL_LENGTH || !chain.write(part)) return host.fail();
      queue.push(chain, part.length);
    }
    host.signal(RECEIVE);
  }

  #take(): void {
    const host = this.#host();
    const queue = host?.queue(TRANSMIT);
    if (host === undefined || queue === undefined) return;
    const bytes = new Uint8Array(CONTROL_LENGTH);
    drainQueue(queue, CONTROL_QUEUE_SIZE, (chain) => {
      if (!chain.read(bytes)) return host.fail();
      queue.push(chain, 0);
      this.#onMessage(decodeControl(bytes));
    });
    host.signal(TRANSMIT);
  }
}

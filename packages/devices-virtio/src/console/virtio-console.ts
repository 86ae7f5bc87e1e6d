import { type Chardev, optionalField, recordField } from "@tsvm/contracts";
import type { ModelConfig, ModelHost, VirtioModel } from "../device/model.ts";
import { type ChainState, chainField, type DescriptorChain } from "../queue/descriptor-chain.ts";
import { drainQueue } from "../queue/drain.ts";

const DEVICE_ID = 3;
/** Communication controller, other. */
const CLASS_COMMUNICATION = 0x07_80_00;
const QUEUE_SIZE = 128;
const RECEIVE = 0;
const TRANSMIT = 1;

const VIRTIO_CONSOLE_F_SIZE = 1n << 0n;
const VIRTIO_CONSOLE_F_EMERG_WRITE = 1n << 2n;

/** Configuration: cols and rows (16 bits each), max_nr_ports, emerg_wr (32 bits each). */
const EMERG_WR = 8;
const CONFIG_LENGTH = 12;

/** Bytes carried between chardev and guest at a time. */
const PIECE = 4096;

export interface VirtioConsoleOptions {
  readonly chardev: Chardev;
  /** Characters; default: the driver is not told. */
  readonly size?: { readonly columns: number; readonly rows: number };
  /** Default "virtio-console". */
  readonly name?: string;
}

export interface VirtioConsoleState {
  /** A buffer of the driver's that waits for input. */
  waiting: ChainState | undefined;
}

/**
 * A console with one port, the driver's hvc0. Virtio 1.2, "Console Device". Input stays with the chardev until the
 * driver has a buffer for it: none is lost.
 */
export function createVirtioConsole(options: VirtioConsoleOptions): VirtioModel<VirtioConsoleState> {
  return new VirtioConsole(options);
}

class VirtioConsole implements VirtioModel<VirtioConsoleState> {
  readonly name: string;
  readonly deviceId: number = DEVICE_ID;
  readonly classCode: number = CLASS_COMMUNICATION;
  readonly features: bigint;
  readonly queueSizes: readonly number[] = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config: ModelConfig;
  readonly stateField = recordField<VirtioConsoleState>({ waiting: optionalField(chainField) });
  readonly #chardev: Chardev;
  #host: ModelHost | undefined;
  #waiting: DescriptorChain | undefined;

  constructor({ chardev, size, name = "virtio-console" }: VirtioConsoleOptions) {
    this.name = name;
    this.#chardev = chardev;
    this.features = VIRTIO_CONSOLE_F_EMERG_WRITE | (size === undefined ? 0n : VIRTIO_CONSOLE_F_SIZE);
    const bytes = new Uint8Array(CONFIG_LENGTH);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, size?.columns ?? 0, true);
    view.setUint16(2, size?.rows ?? 0, true);
    view.setUint32(4, 1, true);
    this.config = {
      length: CONFIG_LENGTH,
      read: (offset) => bytes[offset] as number,
      // Output of a driver in distress: needs no queue, not even negotiation.
      write: (offset, value) => void (offset === EMERG_WR && chardev.write(Uint8Array.of(value))),
    };
    chardev.onInput(() => this.#receive());
  }

  attach(host: ModelHost): void {
    this.#host = host;
  }

  start(): void {}

  notify(index: number): void {
    if (index === RECEIVE) this.#receive();
    if (index === TRANSMIT) this.#transmit();
  }

  reset(): void {
    this.#waiting = undefined;
  }

  save(): VirtioConsoleState {
    return { waiting: this.#waiting?.save() };
  }

  restore({ waiting }: VirtioConsoleState): void {
    this.#waiting = waiting && this.#host?.resume(waiting);
  }

  #transmit(): void {
    const queue = this.#host?.queue(TRANSMIT);
    if (queue === undefined) return;
    drainQueue(queue, QUEUE_SIZE, (chain) => {
      if (this.#send(chain)) queue.push(chain, 0);
      else this.#host?.fail();
    });
    this.#host?.signal(TRANSMIT);
  }

  /** False if the buffer is not in RAM. */
  #send(chain: DescriptorChain): boolean {
    while (chain.readPosition < chain.readableLength) {
      // A fresh array each time: the chardev may keep it.
      const piece = new Uint8Array(Math.min(PIECE, chain.readableLength - chain.readPosition));
      if (!chain.read(piece)) return false;
      this.#chardev.write(piece);
    }
    return true;
  }

  /** Moves waiting input into the driver's buffers, a buffer at a time, until either runs out. */
  #receive(): void {
    const queue = this.#host?.queue(RECEIVE);
    if (queue === undefined) return;
    for (let filled = 0; filled < QUEUE_SIZE; filled++) {
      this.#waiting ??= queue.pop();
      if (this.#waiting === undefined) break;
      const input = this.#chardev.read(Math.min(PIECE, this.#waiting.writableLength));
      if (input.length === 0 && this.#waiting.writableLength > 0) break;
      if (!this.#waiting.write(input)) return this.#host?.fail();
      queue.push(this.#waiting, input.length);
      this.#waiting = undefined;
    }
    this.#host?.signal(RECEIVE);
  }
}

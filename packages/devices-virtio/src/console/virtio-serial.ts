import { booleanField, listField, recordField } from "@tsvm/contracts";
import type { ModelConfig, ModelHost, VirtioModel } from "../device/model.ts";
import {
  type ControlMessage,
  encodeControl,
  encodeName,
  encodeSize,
  VIRTIO_CONSOLE_CONSOLE_PORT,
  VIRTIO_CONSOLE_DEVICE_ADD,
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_PORT_NAME,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
  VIRTIO_CONSOLE_RESIZE,
} from "./control-message.ts";
import { CONTROL_QUEUE_SIZE, ControlPort, type ControlPortState, controlPortField } from "./control-port.ts";
import { type ConsoleSize, resolvePorts, type VirtioSerialOptions } from "./serial-options.ts";
import { PORT_QUEUE_SIZE, SerialPort, type SerialPortState, serialPortField } from "./serial-port.ts";

const DEVICE_ID = 3;
/** Communication controller, other. */
const CLASS_COMMUNICATION = 0x07_80_00;

const VIRTIO_CONSOLE_F_SIZE = 1n << 0n;
const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n;
const VIRTIO_CONSOLE_F_EMERG_WRITE = 1n << 2n;

/** Configuration: cols and rows (16 bits each), max_nr_ports, emerg_wr (32 bits each). */
const MAX_NR_PORTS = 4;
const EMERG_WR = 8;
const CONFIG_LENGTH = 12;

export interface VirtioSerialState {
  /** The driver speaks the control protocol. */
  multiport: boolean;
  /** In ascending order of their numbers. */
  ports: SerialPortState[];
  control: ControlPortState;
}

/** Ports and consoles, and what the host's side can do with them. Numbers of ports that do not exist are ignored. */
export interface VirtioSerial extends VirtioModel<VirtioSerialState> {
  /** The numbers of the ports, in the order of the options. */
  readonly portNumbers: readonly number[];
  /** The console's terminal has another size now. */
  resize(port: number, size: ConsoleSize): void;
  /** Somebody came to the host's end of a port, or left: readers in the guest see the end of the file. */
  setConnected(port: number, connected: boolean): void;
  /** The guest has the port open. */
  isOpen(port: number): boolean;
}

/**
 * Consoles and serial ports. Virtio 1.2, "Console Device", with its control protocol (ports, names, opening and closing,
 * sizes); a driver that does not speak it has port 0 alone.
 * @throws ConfigError `CONFIG_DEVICE` if the ports cannot be.
 */
export function createVirtioSerial(options: VirtioSerialOptions): VirtioSerial {
  return new Serial(options);
}

class Serial implements VirtioSerial {
  readonly name: string;
  readonly deviceId: number = DEVICE_ID;
  readonly classCode: number = CLASS_COMMUNICATION;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: ModelConfig;
  readonly stateField: VirtioModel<VirtioSerialState>["stateField"];
  readonly portNumbers: readonly number[];
  /** In ascending order of their numbers. */
  readonly #ports: readonly SerialPort[];
  readonly #control: ControlPort;
  readonly #registers = new DataView(new ArrayBuffer(CONFIG_LENGTH));
  #host: ModelHost | undefined;
  #multiport = false;

  constructor(options: VirtioSerialOptions) {
    this.name = options.name ?? "virtio-serial";
    const host = (): ModelHost | undefined => this.#host;
    const given = resolvePorts(options);
    this.portNumbers = given.map(({ number }) => number);
    const ports = given.toSorted((a, b) => a.number - b.number);
    this.#ports = ports.map((port) => new SerialPort(port, host, () => !this.#multiport && port.number === 0));
    this.#control = new ControlPort(host, (message) => this.#hear(message));
    const [first] = this.#ports;
    const sized = first?.port.number === 0 && first.size !== undefined ? VIRTIO_CONSOLE_F_SIZE : 0n;
    this.features = VIRTIO_CONSOLE_F_MULTIPORT | VIRTIO_CONSOLE_F_EMERG_WRITE | sized;
    const count = (ports.at(-1)?.number ?? 0) + 1;
    this.queueSizes = queueSizes(count);
    this.stateField = recordField<VirtioSerialState>({
      multiport: booleanField,
      ports: listField(serialPortField, ports.length),
      control: controlPortField,
    });
    this.#registers.setUint32(MAX_NR_PORTS, count, true);
    if (sized !== 0n && first?.size !== undefined) this.#showSize(first.size);
    this.config = this.#createConfig();
    for (const port of this.#ports) port.port.chardev.onInput(() => port.receive());
  }

  attach(host: ModelHost): void {
    this.#host = host;
  }

  start(features: bigint): void {
    this.#multiport = (features & VIRTIO_CONSOLE_F_MULTIPORT) !== 0n;
  }

  notify(index: number): void {
    for (const port of this.#ports) if (port.notify(index)) return;
    if (this.#multiport) this.#control.notify(index);
  }

  reset(): void {
    this.#multiport = false;
    this.#control.reset();
    for (const port of this.#ports) port.reset();
  }

  resetQueue(index: number): void {
    for (const port of this.#ports) port.resetQueue(index);
  }

  save(): VirtioSerialState {
    return {
      multiport: this.#multiport,
      ports: this.#ports.map((port) => port.save()),
      control: this.#control.save(),
    };
  }

  restore({ multiport, ports, control }: VirtioSerialState): void {
    this.#multiport = multiport;
    this.#control.restore(control);
    for (const [i, port] of this.#ports.entries()) port.restore(ports[i] as SerialPortState);
  }

  resize(number: number, size: ConsoleSize): void {
    const port = this.#port(number);
    if (port === undefined) return;
    port.size = size;
    if (number === 0 && (this.features & VIRTIO_CONSOLE_F_SIZE) !== 0n) {
      this.#showSize(size);
      this.#host?.configChanged();
    }
    if (port.isOpen) this.#tellSize(port);
  }

  setConnected(number: number, connected: boolean): void {
    const port = this.#port(number);
    if (port === undefined || port.connected === connected) return;
    port.connected = connected;
    this.#tell(port, VIRTIO_CONSOLE_PORT_OPEN, connected ? 1 : 0);
  }

  isOpen(number: number): boolean {
    return this.#port(number)?.isOpen ?? false;
  }

  #port(number: number): SerialPort | undefined {
    return this.#ports.find(({ port }) => port.number === number);
  }

  #createConfig(): ModelConfig {
    const emergency = this.#ports.find(({ port }) => port.isConsole) ?? this.#ports[0];
    return {
      length: CONFIG_LENGTH,
      read: (offset) => this.#registers.getUint8(offset),
      // Output of a driver in distress: needs no queue, not even negotiation.
      write: (offset, value) => void (offset === EMERG_WR && emergency?.port.chardev.write(Uint8Array.of(value))),
    };
  }

  #showSize({ columns, rows }: ConsoleSize): void {
    this.#registers.setUint16(0, columns, true);
    this.#registers.setUint16(2, rows, true);
  }

  #hear({ port: number, event, value }: ControlMessage): void {
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 1) for (const port of this.#ports) this.#tell(port, VIRTIO_CONSOLE_DEVICE_ADD, 0);
      return;
    }
    const port = this.#port(number);
    if (port === undefined) return;
    if (event === VIRTIO_CONSOLE_PORT_OPEN) port.setOpen(value === 1);
    if (event === VIRTIO_CONSOLE_PORT_READY && value === 1) this.#introduce(port);
  }

  /** What a driver that has set up `port` wants to know of it. */
  #introduce(port: SerialPort): void {
    const { isConsole, name } = port.port;
    if (isConsole) this.#tell(port, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
    if (isConsole) this.#tellSize(port);
    if (name !== "") this.#tell(port, VIRTIO_CONSOLE_PORT_NAME, 0, encodeName(name));
    if (port.connected) this.#tell(port, VIRTIO_CONSOLE_PORT_OPEN, 1);
  }

  #tellSize(port: SerialPort): void {
    if (port.size !== undefined) this.#tell(port, VIRTIO_CONSOLE_RESIZE, 0, encodeSize(port.size));
  }

  #tell(port: SerialPort, event: number, value: number, payload: readonly number[] = []): void {
    if (!this.#multiport) return;
    this.#control.send(encodeControl({ port: port.port.number, event, value }, payload));
  }
}

/** Port 0, control, then the other ports; each a receive queue and a transmit queue. */
function queueSizes(ports: number): readonly number[] {
  const pair = (size: number): number[] => [size, size];
  return [
    ...pair(PORT_QUEUE_SIZE),
    ...pair(CONTROL_QUEUE_SIZE),
    ...Array.from({ length: ports - 1 }, () => pair(PORT_QUEUE_SIZE)).flat(),
  ];
}

/** The PS/2 keyboard controller: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller". */
import {
  booleanField,
  byteRegion,
  bytesField,
  type Device,
  type IoRegion,
  type IrqLine,
  integerField,
  listField,
  recordField,
  u8Field,
} from "@tsvm/contracts";
import { createPs2Device, KEYBOARD, MOUSE, type Ps2DeviceState, ps2DeviceField } from "./ps2-device.ts";

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX_OBF = 0x20;

const CTR_KEYBOARD_INTERRUPT = 0x01;
const CTR_AUX_INTERRUPT = 0x02;
const CTR_SYS = 0x04;
const CTR_KEYBOARD_OFF = 0x10;
const CTR_AUX_OFF = 0x20;
const CTR_TRANSLATE = 0x40;

const OUTPUT_RUN = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_KEYBOARD_FULL = 0x10;
const OUTPUT_AUX_FULL = 0x20;

const COMMAND = {
  READ_RAM: 0x20,
  WRITE_RAM: 0x60,
  AUX_OFF: 0xa7,
  AUX_ON: 0xa8,
  TEST_AUX: 0xa9,
  SELF_TEST: 0xaa,
  TEST_KEYBOARD: 0xab,
  KEYBOARD_OFF: 0xad,
  KEYBOARD_ON: 0xae,
  READ_INPUT_PORT: 0xc0,
  READ_OUTPUT_PORT: 0xd0,
  WRITE_OUTPUT_PORT: 0xd1,
  WRITE_KEYBOARD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  READ_TEST_INPUTS: 0xe0,
  PULSE_OUTPUT_PORT: 0xf0,
} as const;

const SELF_TEST_PASSED = 0x55;
const TEST_PASSED = 0x00;
/** Keyboard not locked. */
const INPUT_PORT = 0x80;
const RAM_LENGTH = 32;
/** Controller answers waiting: a guest that asks on without reading loses them. */
const ANSWERS = 4;
/** As firmware hands over: keyboard on and translated with interrupts, mouse off, self test passed. */
const FIRMWARE_CTR = CTR_KEYBOARD_INTERRUPT | CTR_SYS | CTR_AUX_OFF | CTR_TRANSLATE;

/** Who filled the output buffer. */
const FROM_KEYBOARD = 0;
const FROM_AUX = 1;

export interface I8042Options {
  readonly keyboardIrq: IrqLine;
  readonly auxIrq: IrqLine;
  /** Output port bit 1, high after reset as firmware leaves it; the board joins it with port 0x92's. */
  readonly a20: IrqLine;
  /** Output port bit 0 was pulsed low: the CPU resets. */
  readonly onReset: () => void;
  /** Default "i8042". */
  readonly name?: string;
}

export interface I8042State {
  /** Command byte (CTR) at 0 and 31 bytes that mean nothing. */
  ram: Uint8Array;
  outputPort: number;
  /** The command whose data byte comes next; 0 for none. */
  command: number;
  /** The last write was to the command port. */
  commandLast: boolean;
  buffer: number;
  bufferFull: boolean;
  bufferSource: number;
  answers: number[];
  keyboard: Ps2DeviceState;
  aux: Ps2DeviceState;
}

const stateField = recordField<I8042State>({
  ram: bytesField(RAM_LENGTH),
  outputPort: u8Field,
  command: u8Field,
  commandLast: booleanField,
  buffer: u8Field,
  bufferFull: booleanField,
  bufferSource: integerField(FROM_KEYBOARD, FROM_AUX),
  answers: listField(u8Field, 0, ANSWERS),
  keyboard: ps2DeviceField,
  aux: ps2DeviceField,
});

/** Regions: the data port and the command and status port, a byte each. */
export function createI8042(options: I8042Options): Device<I8042State> {
  return new KeyboardController(options);
}

class KeyboardController implements Device<I8042State> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly #options: I8042Options;
  readonly #keyboard = createPs2Device(KEYBOARD);
  readonly #aux = createPs2Device(MOUSE);
  readonly #ram = new Uint8Array(RAM_LENGTH);
  #outputPort = 0;
  #command = 0;
  #commandLast = false;
  #buffer = 0;
  #bufferFull = false;
  #bufferSource = FROM_KEYBOARD;
  #answers: number[] = [];

  constructor(options: I8042Options) {
    this.#options = options;
    const name = options.name ?? "i8042";
    this.name = name;
    this.regions = [
      byteRegion(
        `${name}.data`,
        1,
        () => this.#readData(),
        (_, value) => this.#writeData(value),
      ),
      byteRegion(
        `${name}.command`,
        1,
        () => this.#status(),
        (_, value) => this.#writeCommand(value),
      ),
    ];
    this.reset();
  }

  reset(): void {
    this.#keyboard.reset();
    this.#aux.reset();
    this.#ram.fill(0);
    this.#ctr = FIRMWARE_CTR;
    this.#outputPort = OUTPUT_RUN | OUTPUT_A20;
    this.#command = this.#buffer = 0;
    this.#commandLast = this.#bufferFull = false;
    this.#bufferSource = FROM_KEYBOARD;
    this.#answers = [];
    this.#options.a20.set(true);
    this.#updateIrqs();
  }

  save(): I8042State {
    return {
      ram: this.#ram.slice(),
      outputPort: this.#outputPort,
      command: this.#command,
      commandLast: this.#commandLast,
      buffer: this.#buffer,
      bufferFull: this.#bufferFull,
      bufferSource: this.#bufferSource,
      answers: [...this.#answers],
      keyboard: this.#keyboard.save(),
      aux: this.#aux.save(),
    };
  }

  restore(untrusted: I8042State): void {
    const state = stateField(untrusted, this.name);
    this.#ram.set(state.ram);
    this.#outputPort = state.outputPort;
    this.#command = state.command;
    this.#commandLast = state.commandLast;
    this.#buffer = state.buffer;
    this.#bufferFull = state.bufferFull;
    this.#bufferSource = state.bufferSource;
    this.#answers = state.answers;
    this.#keyboard.restore(state.keyboard);
    this.#aux.restore(state.aux);
    this.#options.a20.set((state.outputPort & OUTPUT_A20) !== 0);
    this.#updateIrqs();
  }

  get #ctr(): number {
    return this.#ram[0] as number;
  }

  set #ctr(value: number) {
    this.#ram[0] = value;
  }

  #status(): number {
    const full = this.#bufferFull ? STATUS_OBF : 0;
    const aux = this.#bufferFull && this.#bufferSource === FROM_AUX ? STATUS_AUX_OBF : 0;
    const sys = (this.#ctr & CTR_SYS) !== 0 ? STATUS_SYS : 0;
    return full | sys | aux | (this.#commandLast ? STATUS_COMMAND : 0) | STATUS_UNLOCKED;
  }

  #readData(): number {
    const byte = this.#buffer;
    this.#bufferFull = false;
    // The line falls between two bytes: edge-triggered inputs see each of them.
    this.#updateIrqs();
    this.#fill();
    return byte;
  }

  #writeCommand(command: number): void {
    this.#commandLast = true;
    this.#command = 0;
    if (command >= COMMAND.PULSE_OUTPUT_PORT) {
      if ((command & OUTPUT_RUN) === 0) this.#options.onReset();
    } else if (command >= COMMAND.READ_RAM && command < COMMAND.READ_RAM + RAM_LENGTH) {
      this.#answer(this.#ram[command & 31] as number);
    } else if (!this.#switchInterface(command)) {
      this.#askOrAwait(command);
    }
    this.#fill();
  }

  /** Commands that turn an interface on or off. */
  #switchInterface(command: number): boolean {
    switch (command) {
      case COMMAND.AUX_OFF:
        this.#ctr |= CTR_AUX_OFF;
        return true;
      case COMMAND.AUX_ON:
        this.#ctr &= ~CTR_AUX_OFF;
        return true;
      case COMMAND.KEYBOARD_OFF:
        this.#ctr |= CTR_KEYBOARD_OFF;
        return true;
      case COMMAND.KEYBOARD_ON:
        this.#ctr &= ~CTR_KEYBOARD_OFF;
        return true;
      default:
        return false;
    }
  }

  #askOrAwait(command: number): void {
    switch (command) {
      case COMMAND.SELF_TEST:
        this.#ctr |= CTR_SYS;
        this.#answer(SELF_TEST_PASSED);
        break;
      case COMMAND.TEST_AUX:
      case COMMAND.TEST_KEYBOARD:
      case COMMAND.READ_TEST_INPUTS:
        this.#answer(TEST_PASSED);
        break;
      case COMMAND.READ_INPUT_PORT:
        this.#answer(INPUT_PORT);
        break;
      case COMMAND.READ_OUTPUT_PORT:
        this.#answer(this.#readOutputPort());
        break;
      default:
        // The others take a data byte; those that are not known take it and do nothing.
        this.#command = command;
    }
  }

  #writeData(byte: number): void {
    const command = this.#command;
    this.#commandLast = false;
    this.#command = 0;
    if (command >= COMMAND.WRITE_RAM && command < COMMAND.WRITE_RAM + RAM_LENGTH) {
      this.#ram[command & 31] = byte;
      this.#updateIrqs();
    } else this.#writeFor(command, byte);
    this.#fill();
  }

  #writeFor(command: number, byte: number): void {
    switch (command) {
      case 0:
        // Sending to a device turns its interface on.
        this.#ctr &= ~CTR_KEYBOARD_OFF;
        this.#keyboard.send(byte);
        break;
      case COMMAND.WRITE_AUX:
        this.#ctr &= ~CTR_AUX_OFF;
        this.#aux.send(byte);
        break;
      case COMMAND.WRITE_OUTPUT_PORT:
        this.#writeOutputPort(byte);
        break;
      case COMMAND.WRITE_KEYBOARD_BUFFER:
        this.#put(byte, FROM_KEYBOARD);
        break;
      case COMMAND.WRITE_AUX_BUFFER:
        this.#put(byte, FROM_AUX);
        break;
    }
  }

  #readOutputPort(): number {
    const full = this.#bufferSource === FROM_AUX ? OUTPUT_AUX_FULL : OUTPUT_KEYBOARD_FULL;
    const pins = this.#outputPort & ~(OUTPUT_AUX_FULL | OUTPUT_KEYBOARD_FULL);
    return pins | (this.#bufferFull ? full : 0);
  }

  #writeOutputPort(byte: number): void {
    this.#outputPort = byte;
    this.#options.a20.set((byte & OUTPUT_A20) !== 0);
    if ((byte & OUTPUT_RUN) === 0) this.#options.onReset();
  }

  #answer(byte: number): void {
    if (this.#answers.length < ANSWERS) this.#answers.push(byte);
  }

  /** Brings the next byte into the output buffer: the controller's own answers first, then the keyboard's. */
  #fill(): void {
    if (this.#bufferFull) return;
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      this.#put(answer, FROM_KEYBOARD);
      return;
    }
    if ((this.#ctr & CTR_KEYBOARD_OFF) === 0) {
      const byte = this.#keyboard.take();
      if (byte !== undefined) {
        this.#put(this.#translate(byte), FROM_KEYBOARD);
        return;
      }
    }
    if ((this.#ctr & CTR_AUX_OFF) !== 0) return;
    const byte = this.#aux.take();
    if (byte !== undefined) this.#put(byte, FROM_AUX);
  }

  /** Of the translation to scan code set 1 only what a keyboard without keys can send: the second byte of its ID. */
  #translate(byte: number): number {
    return (this.#ctr & CTR_TRANSLATE) !== 0 && byte === 0x83 ? 0x41 : byte;
  }

  #put(byte: number, source: number): void {
    this.#buffer = byte;
    this.#bufferFull = true;
    this.#bufferSource = source;
    this.#updateIrqs();
  }

  #updateIrqs(): void {
    const fromAux = this.#bufferSource === FROM_AUX;
    const ctr = this.#ctr;
    const { keyboardIrq, auxIrq } = this.#options;
    keyboardIrq.set(this.#bufferFull && !fromAux && (ctr & CTR_KEYBOARD_INTERRUPT) !== 0);
    auxIrq.set(this.#bufferFull && fromAux && (ctr & CTR_AUX_INTERRUPT) !== 0);
  }
}

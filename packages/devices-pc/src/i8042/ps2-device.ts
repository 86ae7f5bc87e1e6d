/**
 * The keyboard and the mouse behind the controller, as far as drivers ask for them: they identify themselves, take every
 * command, and never have anything to report. IBM PS/2 Hardware Interface Technical Reference, "Keyboard" and "Mouse".
 */
import { integerField, listField, recordField, type StateField, u8Field } from "@tsvm/contracts";

const ACK = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_PASSED = 0xaa;
/** What a device keeps to be fetched; more is lost, as in the real ones. */
const QUEUE_LENGTH = 16;

/** What one kind of device answers. */
export interface Ps2Model {
  /** Commands below are none: they are answered with RESEND. */
  readonly firstCommand: number;
  /** Commands that one parameter byte follows. */
  readonly withParameter: readonly number[];
  /** What follows ACK, by command. */
  readonly answers: Readonly<Record<number, readonly number[]>>;
  /** Commands answered without ACK. */
  readonly bare: Readonly<Record<number, readonly number[]>>;
  /** The command whose parameter 0 asks for the scan code set in use; 0 if there is none. */
  readonly scanCodeSetCommand: number;
}

const READ_ID = 0xf2;
const RESET = 0xff;
const SCAN_CODE_SET = 0xf0;

/** A keyboard with scan code set 2. */
export const KEYBOARD: Ps2Model = {
  firstCommand: 0xed,
  withParameter: [0xed, SCAN_CODE_SET, 0xf3, 0xfb, 0xfc, 0xfd],
  answers: { [READ_ID]: [0xab, 0x83], [RESET]: [SELF_TEST_PASSED] },
  bare: { 238: [0xee] },
  scanCodeSetCommand: SCAN_CODE_SET,
};

/** A mouse of three bytes a movement, resolution 4 counts/mm, 100 reports/s. */
export const MOUSE: Ps2Model = {
  firstCommand: 0xe6,
  withParameter: [0xe8, 0xf3],
  answers: {
    233: [0x00, 0x02, 0x64],
    235: [0x08, 0x00, 0x00],
    [READ_ID]: [0x00],
    [RESET]: [SELF_TEST_PASSED, 0x00],
  },
  bare: {},
  scanCodeSetCommand: 0,
};

export interface Ps2DeviceState {
  queue: number[];
  /** The command that waits for its parameter; 0 for none. */
  command: number;
  /** Sent again on request. */
  last: number;
}

export const ps2DeviceField: StateField<Ps2DeviceState> = recordField<Ps2DeviceState>({
  queue: listField(u8Field, 0, QUEUE_LENGTH),
  command: integerField(0, 0xff),
  last: u8Field,
});

export interface Ps2Device {
  /** A byte from the host. */
  send(byte: number): void;
  /** The next byte for the host; undefined when there is none. */
  take(): number | undefined;
  reset(): void;
  save(): Ps2DeviceState;
  /** `state` was validated. */
  restore(state: Ps2DeviceState): void;
}

export function createPs2Device(model: Ps2Model): Ps2Device {
  let s: Ps2DeviceState = { queue: [], command: 0, last: 0 };

  function answer(...bytes: readonly number[]): void {
    for (const byte of bytes) if (s.queue.length < QUEUE_LENGTH) s.queue.push(byte);
  }

  function parameter(byte: number): void {
    const asksForSet = s.command === model.scanCodeSetCommand && byte === 0;
    s.command = 0;
    answer(ACK);
    if (asksForSet) answer(2);
  }

  function command(byte: number): void {
    // A command throws away what was not fetched of earlier answers.
    s.queue = [];
    const bare = model.bare[byte];
    if (byte === RESEND) answer(s.last);
    else if (bare !== undefined) answer(...bare);
    else if (byte < model.firstCommand) answer(RESEND);
    else answer(ACK, ...(model.answers[byte] ?? []));
    if (model.withParameter.includes(byte)) s.command = byte;
  }

  return {
    send(byte: number): void {
      if (s.command !== 0 && byte < model.firstCommand) parameter(byte);
      else {
        s.command = 0;
        command(byte);
      }
    },
    take(): number | undefined {
      const byte = s.queue.shift();
      if (byte !== undefined) s.last = byte;
      return byte;
    },
    reset(): void {
      s = { queue: [], command: 0, last: 0 };
    },
    save: () => ({ ...s, queue: [...s.queue] }),
    restore(state: Ps2DeviceState): void {
      s = { ...state, queue: [...state.queue] };
    },
  };
}

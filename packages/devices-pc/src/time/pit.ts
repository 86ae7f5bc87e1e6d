import { byteRegion, type Clock, type Device, type IrqLine, listField, recordField } from "@tsvm/contracts";
import { createPitChannel, PIT_HZ, type PitChannelState, pitChannelField } from "./pit-channel.ts";
import { createTickRate } from "./tick-rate.ts";

const CONTROL = 3;
const CONTROL_READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

export interface PitOptions {
  readonly clock: Clock;
  /** OUT of counter 0 as edge-triggered inputs see it: a pulse wherever the counter's output rises, low in between. */
  readonly irq: IrqLine;
  /** Default "pit". */
  readonly name?: string;
}

export interface PitState {
  channels: PitChannelState[];
}

export interface Pit extends Device<PitState> {
  /** OUT of counter 2. */
  readonly speakerOutput: boolean;
  /** GATE of counter 2. */
  speakerGate: boolean;
}

const stateField = recordField<PitState>({ channels: listField(pitChannelField, 3) });

/** Intel 8254, three counters at 1.193182 MHz. One region of four ports. */
export function createPit({ clock, irq, name = "pit" }: PitOptions): Pit {
  const rate = createTickRate(PIT_HZ);
  const pulse = (): void => {
    irq.set(true);
    irq.set(false);
  };
  const speaker = createPitChannel(clock, rate, false, undefined);
  const channels = [
    createPitChannel(clock, rate, true, pulse),
    createPitChannel(clock, rate, true, undefined),
    speaker,
  ] as const;

  function writeControl(word: number): void {
    const select = word >>> 6;
    if (select === CONTROL_READ_BACK) {
      readBack(word);
      return;
    }
    const channel = channels[select as 0 | 1 | 2];
    if ((word & 0x30) === 0) channel.latchCount();
    else channel.control(word);
  }

  /** "Read-Back Command": latches count, status or both of any counters. */
  function readBack(word: number): void {
    for (const [i, channel] of channels.entries()) {
      if ((word & (2 << i)) === 0) continue;
      if ((word & READ_BACK_NO_COUNT) === 0) channel.latchCount();
      if ((word & READ_BACK_NO_STATUS) === 0) channel.latchStatus();
    }
  }

  const region = byteRegion(
    name,
    4,
    // The control word register cannot be read.
    (offset) => channels[offset]?.read() ?? 0xff,
    (offset, value) => {
      if (offset === CONTROL) writeControl(value);
      else channels[offset]?.write(value);
    },
  );

  return {
    name,
    regions: [region],
    get speakerOutput() {
      return speaker.output;
    },
    get speakerGate() {
      return speaker.gate;
    },
    set speakerGate(level: boolean) {
      speaker.gate = level;
    },
    reset(): void {
      for (const channel of channels) channel.reset();
      irq.set(false);
    },
    save: () => ({ channels: channels.map((channel) => channel.save()) }),
    restore(untrusted: PitState): void {
      const state = stateField(untrusted, name);
      for (const [i, channel] of channels.entries()) {
        channel.restore(state.channels[i] as PitChannelState);
      }
    },
  };
}

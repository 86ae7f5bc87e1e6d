import { booleanField, byteRegion, type Clock, type Device, recordField } from "@tsvm/contracts";

const TIMER2_GATE = 0x01;
const SPEAKER_DATA = 0x02;
const WRITABLE = 0x0f;
const REFRESH_TOGGLE = 0x10;
const TIMER2_OUT = 0x20;
/** One refresh cycle of the AT's memory: software times short delays by this bit. */
const REFRESH_NS = 15_085;

/** What of the PIT this port sees: counter 2's pins. */
export interface SpeakerCounter {
  readonly speakerOutput: boolean;
  speakerGate: boolean;
}

export interface SystemControlPortBOptions {
  readonly clock: Clock;
  readonly counter: SpeakerCounter;
  /** Default "port61". */
  readonly name?: string;
}

export interface SystemControlPortBState {
  speakerData: boolean;
  ioCheckOff: boolean;
  parityCheckOff: boolean;
}

const stateField = recordField<SystemControlPortBState>({
  speakerData: booleanField,
  ioCheckOff: booleanField,
  parityCheckOff: booleanField,
});

/** The AT's system control port B: speaker gate and data, NMI enables, refresh toggle, counter 2's output. */
export function createSystemControlPortB(options: SystemControlPortBOptions): Device<SystemControlPortBState> {
  const { clock, counter, name = "port61" } = options;
  /** Bits 3:1; bit 0 is the counter's own pin. */
  let latch = 0;

  function read(): number {
    const refresh = Math.floor(clock.now() / REFRESH_NS) % 2 === 0 ? 0 : REFRESH_TOGGLE;
    return latch | (counter.speakerGate ? TIMER2_GATE : 0) | refresh | (counter.speakerOutput ? TIMER2_OUT : 0);
  }

  function write(value: number): void {
    latch = value & WRITABLE & ~TIMER2_GATE;
    counter.speakerGate = (value & TIMER2_GATE) !== 0;
  }

  return {
    name,
    regions: [byteRegion(name, 1, read, (_, value) => write(value))],
    reset: () => write(0),
    save: () => ({
      speakerData: (latch & SPEAKER_DATA) !== 0,
      parityCheckOff: (latch & 0x04) !== 0,
      ioCheckOff: (latch & 0x08) !== 0,
    }),
    restore(untrusted: SystemControlPortBState): void {
      const state = stateField(untrusted, name);
      latch =
        (state.speakerData ? SPEAKER_DATA : 0) | (state.parityCheckOff ? 0x04 : 0) | (state.ioCheckOff ? 0x08 : 0);
    },
  };
}

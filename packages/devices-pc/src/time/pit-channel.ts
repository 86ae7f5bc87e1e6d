/**
 * One counter of the 8254: Intel's data sheet, "Mode Definitions". Nothing counts down: count and output are computed
 * from the time since the count was loaded, and an alarm is set only where the output rises and someone listens.
 */
import {
  booleanField,
  type Clock,
  choiceField,
  finiteField,
  integerField,
  recordField,
  type StateField,
  u8Field,
} from "@tsvm/contracts";
import { createAlarm, nextDue } from "./alarm.ts";
import type { TickRate } from "./tick-rate.ts";

/** The PC's crystal of 14.31818 MHz divided by twelve. */
export const PIT_HZ = 1_193_182;

/** Of the control word: which bytes of the count are accessed. 0 latches and is never stored. */
const ACCESS_LOW = 1;
const ACCESS_WORD = 3;

export interface PitChannelState {
  mode: number;
  bcd: boolean;
  access: number;
  /** Count in effect, 1 to 65536. */
  count: number;
  /** Count written while the counter runs in modes 1, 2, 3 and 5, in effect from its next start; 0 for none. */
  nextCount: number;
  /** A count was loaded since the control word: the counter has something to count. */
  loaded: boolean;
  /** A trigger by GATE started modes 1 and 5. */
  triggered: boolean;
  gate: boolean;
  /** Tick at which the count in effect started. */
  startTick: number;
  /** Ticks counted when GATE stopped the counter; used while `frozen`. */
  frozenTicks: number;
  frozen: boolean;
  /** The next byte written or read is the high one. */
  writesHigh: boolean;
  readsHigh: boolean;
  writeLow: number;
  /** Bytes of a latched count still to be read: 0, 1 (the only or the second) or 2. */
  latchedBytes: number;
  latchedCount: number;
  latchedStatus: number;
  statusLatched: boolean;
  /** The tick at which OUT rises next, and whether the alarm is set for it. */
  riseTick: number;
  riseDue: boolean;
}

const countField = integerField(0, 0x1_0000);
export const pitChannelField: StateField<PitChannelState> = recordField<PitChannelState>({
  mode: integerField(0, 5),
  bcd: booleanField,
  access: choiceField(1, 2, 3),
  count: integerField(1, 0x1_0000),
  nextCount: countField,
  loaded: booleanField,
  triggered: booleanField,
  gate: booleanField,
  startTick: finiteField,
  frozenTicks: finiteField,
  frozen: booleanField,
  writesHigh: booleanField,
  readsHigh: booleanField,
  writeLow: u8Field,
  latchedBytes: integerField(0, 2),
  latchedCount: integerField(0, 0xffff),
  latchedStatus: u8Field,
  statusLatched: booleanField,
  riseTick: finiteField,
  riseDue: booleanField,
});

export interface PitChannel {
  /** OUT. */
  readonly output: boolean;
  gate: boolean;
  /** The control word for this counter: bits 5:0. */
  control(word: number): void;
  latchCount(): void;
  latchStatus(): void;
  read(): number;
  write(byte: number): void;
  reset(): void;
  save(): PitChannelState;
  /** `state` was validated. */
  restore(state: PitChannelState): void;
}

/**
 * @param gate its level after power-on: tied high for counters 0 and 1
 * @param rise called when OUT rises on its own; undefined when nobody listens
 */
export function createPitChannel(
  clock: Clock,
  rate: TickRate,
  gate: boolean,
  rise: (() => void) | undefined,
): PitChannel {
  return new Channel(clock, rate, gate, rise);
}

class Channel implements PitChannel {
  readonly #clock: Clock;
  readonly #rate: TickRate;
  readonly #tiedGate: boolean;
  readonly #rise: (() => void) | undefined;
  readonly #alarm: ReturnType<typeof createAlarm>;
  #s: PitChannelState;

  constructor(clock: Clock, rate: TickRate, gate: boolean, rise: (() => void) | undefined) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tiedGate = gate;
    this.#rise = rise;
    this.#alarm = createAlarm(clock, () => this.#ring());
    this.#s = powerOn(gate);
  }

  get output(): boolean {
    const s = this.#s;
    const ticks = this.#ticks();
    switch (s.mode) {
      case 0:
        return s.loaded && ticks >= s.count;
      case 1:
        return !s.triggered || ticks >= s.count;
      case 2:
        // Low for the one tick at which the count is 1.
        return !s.loaded || s.frozen || ticks % s.count !== s.count - 1;
      case 3:
        return !s.loaded || s.frozen || ticks % s.count < (s.count + 1) >>> 1;
      default:
        // Strobes: low for the one tick after the count has run out.
        return !this.#counting() || ticks !== s.count;
    }
  }

  get gate(): boolean {
    return this.#s.gate;
  }

  set gate(level: boolean) {
    const s = this.#s;
    if (level === s.gate) return;
    s.gate = level;
    if (level) this.#gateRose();
    else if (!this.#hardwareTriggered) this.#freeze();
    this.#schedule();
  }

  control(word: number): void {
    const s = this.#s;
    const gate = s.gate;
    const mode = (word >>> 1) & 7;
    this.#s = {
      ...powerOn(gate),
      // Modes 6 and 7 are 2 and 3: the mode's high bit is "don't care".
      mode: mode > 5 ? mode - 4 : mode,
      access: (word >>> 4) & 3,
      bcd: (word & 1) !== 0,
    };
    this.#s.frozen = !gate && !this.#hardwareTriggered;
    this.#alarm.cancel();
  }

  latchCount(): void {
    const s = this.#s;
    if (s.latchedBytes !== 0) return;
    s.latchedCount = this.#currentCount();
    s.latchedBytes = s.access === ACCESS_WORD ? 2 : 1;
  }

  latchStatus(): void {
    const s = this.#s;
    if (s.statusLatched) return;
    const nullCount = !s.loaded || s.nextCount !== 0;
    s.statusLatched = true;
    s.latchedStatus =
      (this.output ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (s.access << 4) | (s.mode << 1) | (s.bcd ? 1 : 0);
  }

  read(): number {
    const s = this.#s;
    if (s.statusLatched) {
      s.statusLatched = false;
      return s.latchedStatus;
    }
    const value = s.latchedBytes !== 0 ? s.latchedCount : this.#currentCount();
    const high = s.access === ACCESS_WORD ? s.readsHigh : s.access !== ACCESS_LOW;
    if (s.access === ACCESS_WORD) s.readsHigh = !s.readsHigh;
    if (s.latchedBytes !== 0) s.latchedBytes--;
    return high ? value >>> 8 : value & 0xff;
  }

  write(byte: number): void {
    const s = this.#s;
    if (s.access !== ACCESS_WORD) {
      this.#load(s.access === ACCESS_LOW ? byte : byte << 8);
    } else if (s.writesHigh) {
      s.writesHigh = false;
      this.#load((byte << 8) | s.writeLow);
    } else {
      s.writesHigh = true;
      s.writeLow = byte;
      // Mode 0: "Writing the first byte disables counting"; OUT goes low at once.
      if (s.mode === 0) {
        s.loaded = false;
        this.#schedule();
      }
    }
  }

  reset(): void {
    this.#alarm.cancel();
    this.#s = powerOn(this.#tiedGate);
  }

  save(): PitChannelState {
    return { ...this.#s };
  }

  restore(state: PitChannelState): void {
    this.#s = { ...state };
    this.#alarm.cancel();
    if (state.riseDue) this.#alarm.set(this.#rate.nsOf(state.riseTick));
  }

  get #periodic(): boolean {
    return this.#s.mode === 2 || this.#s.mode === 3;
  }

  /** Modes 1 and 5: GATE triggers, and stops nothing. */
  get #hardwareTriggered(): boolean {
    return this.#s.mode === 1 || this.#s.mode === 5;
  }

  #counting(): boolean {
    return this.#hardwareTriggered ? this.#s.triggered : this.#s.loaded;
  }

  #now(): number {
    return this.#rate.ticksAt(this.#clock.now());
  }

  /** Ticks since the count in effect was loaded, after moving on to one that a finished period has brought into effect. */
  #ticks(): number {
    const s = this.#s;
    if (s.frozen) return s.frozenTicks;
    const now = this.#now();
    if (this.#periodic && s.nextCount !== 0 && now - s.startTick >= s.count) {
      s.startTick += s.count;
      s.count = s.nextCount;
      s.nextCount = 0;
    }
    return Math.max(0, now - s.startTick);
  }

  #currentCount(): number {
    const s = this.#s;
    const ticks = this.#counting() ? this.#ticks() : 0;
    // Mode 3 counts by two, once for each half of its wave.
    const counted = s.mode === 3 ? (2 * ticks) % s.count : this.#periodic ? ticks % s.count : ticks;
    if (!s.bcd) return (s.count - counted) & 0xffff;
    return toBcd((((s.count - counted) % 10_000) + 10_000) % 10_000);
  }

  #load(raw: number): void {
    const s = this.#s;
    const count = countOf(raw, s.bcd);
    if (this.#periodic && s.loaded && !s.frozen) {
      // The new count waits for the end of the present period.
      s.startTick += Math.floor(this.#ticks() / s.count) * s.count;
      s.nextCount = count;
      return;
    }
    s.loaded = true;
    if (this.#hardwareTriggered) {
      s.nextCount = count;
      return;
    }
    s.count = count;
    s.nextCount = 0;
    s.startTick = this.#now();
    s.frozenTicks = 0;
    s.frozen = !s.gate;
    this.#schedule();
  }

  /** GATE stops the counter in modes 0, 2, 3 and 4 ("Gate Pin Operations Summary"). */
  #freeze(): void {
    const s = this.#s;
    s.frozenTicks = this.#counting() ? this.#ticks() : 0;
    s.frozen = true;
  }

  /** A rise of GATE goes on counting in modes 0 and 4 and starts anew in the others. */
  #gateRose(): void {
    const s = this.#s;
    const restarts = s.mode !== 0 && s.mode !== 4;
    s.startTick = this.#now() - (restarts ? 0 : s.frozenTicks);
    s.frozen = false;
    if (!restarts) return;
    if (this.#hardwareTriggered) s.triggered = s.loaded;
    if (s.nextCount !== 0) s.count = s.nextCount;
    s.nextCount = 0;
  }

  /** Sets the alarm for the next rise of OUT. */
  #schedule(): void {
    const s = this.#s;
    this.#alarm.cancel();
    s.riseDue = false;
    if (this.#rise === undefined || !this.#counting() || s.frozen) return;
    const ticks = this.#ticks();
    const periods = this.#periodic ? Math.floor(ticks / s.count) + 1 : 1;
    // A strobe rises one tick after the count has run out.
    s.riseTick = s.startTick + periods * s.count + (s.mode >= 4 ? 1 : 0);
    if (s.startTick + ticks < s.riseTick) this.#arm();
  }

  #arm(): void {
    this.#s.riseDue = true;
    this.#alarm.set(this.#rate.nsOf(this.#s.riseTick));
  }

  #ring(): void {
    const s = this.#s;
    s.riseDue = false;
    if (this.#periodic) {
      this.#ticks();
      s.riseTick = nextDue(s.riseTick, s.count, this.#now(), PIT_HZ);
      this.#arm();
    }
    this.#rise?.();
  }
}

function powerOn(gate: boolean): PitChannelState {
  return {
    mode: 0,
    bcd: false,
    access: ACCESS_WORD,
    count: 0x1_0000,
    nextCount: 0,
    loaded: false,
    triggered: false,
    gate,
    startTick: 0,
    frozenTicks: 0,
    frozen: false,
    writesHigh: false,
    readsHigh: false,
    writeLow: 0,
    latchedBytes: 0,
    latchedCount: 0,
    latchedStatus: 0,
    statusLatched: false,
    riseTick: 0,
    riseDue: false,
  };
}

/** The count a written value stands for; 0 is the largest. Digits above 9 count for what they are worth. */
function countOf(raw: number, bcd: boolean): number {
  if (!bcd) return raw === 0 ? 0x1_0000 : raw;
  const value = (raw >>> 12) * 1000 + ((raw >>> 8) & 15) * 100 + ((raw >>> 4) & 15) * 10 + (raw & 15);
  return value === 0 ? 10_000 : value;
}

function toBcd(value: number): number {
  const digit = (weight: number): number => Math.floor(value / weight) % 10;
  return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
}

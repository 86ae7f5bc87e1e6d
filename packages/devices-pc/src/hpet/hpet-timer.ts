/** One comparator of the HPET: IA-PC HPET specification 1.0a, "Timer N Configuration and Capability Register". */
import {
  type Clock,
  finiteField,
  integerField,
  optionalField,
  recordField,
  type StateField,
  u32Field,
} from "@tsvm/contracts";
import { createAlarm } from "../time/alarm.ts";
import { addTicks, ticksUntil, type WideCount } from "./wide-count.ts";

export const TN_INT_TYPE_LEVEL = 0x02;
export const TN_INT_ENABLE = 0x04;
export const TN_TYPE_PERIODIC = 0x08;
const TN_PERIODIC_CAPABLE = 0x10;
const TN_SIZE_64 = 0x20;
const TN_VALUE_SET = 0x40;
const TN_32_BIT_MODE = 0x100;
const TN_INT_ROUTE = 0x3e00;
const TN_CAPABILITIES = TN_PERIODIC_CAPABLE | TN_SIZE_64;
const TN_WRITABLE = TN_INT_TYPE_LEVEL | TN_INT_ENABLE | TN_TYPE_PERIODIC | TN_VALUE_SET | TN_32_BIT_MODE | TN_INT_ROUTE;

/** Periods shorter than this are lumped together, in ticks of 10 ns: 20 us. */
const SHORTEST_PERIOD = 2_000;
/** 50 ms: what a busy host may be behind before missed periods are dropped. */
const CATCH_UP = 5_000_000;

export interface HpetTimerState {
  config: number;
  comparatorLow: number;
  comparatorHigh: number;
  periodLow: number;
  periodHigh: number;
  /** Guest time of the next match; undefined while the counter stands still. */
  dueNs: number | undefined;
}

export const hpetTimerField: StateField<HpetTimerState> = recordField<HpetTimerState>({
  config: integerField(0, 0xffff),
  comparatorLow: u32Field,
  comparatorHigh: u32Field,
  periodLow: u32Field,
  periodHigh: u32Field,
  dueNs: optionalField(finiteField),
});

/** The main counter as a comparator sees it. */
export interface MainCounter {
  /** Where it stands; undefined while it is halted. */
  running(): WideCount | undefined;
  /** Guest time in nanoseconds at which it will have gone on by `ticks`. */
  timeAfter(ticks: number): number;
}

export interface HpetTimer {
  readonly config: number;
  readonly comparator: Readonly<WideCount>;
  /** The counter was started, halted or set. */
  schedule(): void;
  writeConfig(value: number): void;
  writeComparator(value: number, half: "low" | "high"): void;
  reset(): void;
  save(): HpetTimerState;
  /** `state` was validated. */
  restore(state: HpetTimerState): void;
}

/** @param match called whenever the counter reaches the comparator, whether or not interrupts are enabled */
export function createHpetTimer(clock: Clock, counter: MainCounter, match: () => void): HpetTimer {
  return new Comparator(clock, counter, match);
}

class Comparator implements HpetTimer {
  readonly comparator: WideCount = { low: 0, high: 0 };
  readonly #counter: MainCounter;
  readonly #match: () => void;
  readonly #alarm: ReturnType<typeof createAlarm>;
  readonly #period: WideCount = { low: 0, high: 0 };
  #config = 0;
  #dueNs: number | undefined;

  constructor(clock: Clock, counter: MainCounter, match: () => void) {
    this.#counter = counter;
    this.#match = match;
    this.#alarm = createAlarm(clock, () => this.#ring());
    this.reset();
  }

  get config(): number {
    return this.#config;
  }

  schedule(): void {
    const now = this.#counter.running();
    // Beyond what times count exactly, 65 days: such a match is not waited for.
    const ticks = now === undefined ? Infinity : ticksUntil(now, this.comparator, this.#wide);
    this.#wait(ticks < 2 ** 49 ? this.#counter.timeAfter(ticks) : undefined);
  }

  writeConfig(value: number): void {
    this.#config = TN_CAPABILITIES | (value & TN_WRITABLE);
    if (!this.#wide) this.comparator.high = this.#period.high = 0;
  }

  writeComparator(value: number, half: "low" | "high"): void {
    if (half === "high" && !this.#wide) return;
    // A periodic comparator is itself written only after TN_VAL_SET; otherwise the write is its period.
    if (!this.#periodic || (this.#config & TN_VALUE_SET) !== 0) this.comparator[half] = value;
    if (this.#periodic) this.#period[half] = value;
    this.#config &= ~TN_VALUE_SET;
    this.schedule();
  }

  reset(): void {
    this.#config = TN_CAPABILITIES;
    this.comparator.low = this.comparator.high = 0xffff_ffff;
    this.#period.low = this.#period.high = 0;
    this.#wait(undefined);
  }

  save(): HpetTimerState {
    return {
      config: this.#config,
      comparatorLow: this.comparator.low,
      comparatorHigh: this.comparator.high,
      periodLow: this.#period.low,
      periodHigh: this.#period.high,
      dueNs: this.#dueNs,
    };
  }

  restore(state: HpetTimerState): void {
    this.#config = TN_CAPABILITIES | (state.config & TN_WRITABLE);
    this.comparator.low = state.comparatorLow;
    this.comparator.high = state.comparatorHigh;
    this.#period.low = state.periodLow;
    this.#period.high = state.periodHigh;
    this.#wait(state.dueNs);
  }

  get #wide(): boolean {
    return (this.#config & TN_32_BIT_MODE) === 0;
  }

  get #periodic(): boolean {
    return (this.#config & TN_TYPE_PERIODIC) !== 0;
  }

  #wait(dueNs: number | undefined): void {
    this.#dueNs = dueNs;
    if (dueNs === undefined) this.#alarm.cancel();
    else this.#alarm.set(dueNs);
  }

  #ring(): void {
    const now = this.#counter.running();
    this.#dueNs = undefined;
    if (now === undefined) return;
    const period = this.#period.high * 2 ** 32 + this.#period.low;
    if (this.#periodic && period > 0) this.#advance(now, period);
    // A one-shot match of 32 bits comes again when the counter has gone all the way round.
    else if (!this.#wide) this.#wait(this.#counter.timeAfter(2 ** 32 - ticksUntil(this.comparator, now, false)));
    this.#match();
  }

  /** "The hardware will add the period to the comparator": late periods one by one, and none that is 50 ms late. */
  #advance(now: WideCount, period: number): void {
    const wide = this.#wide;
    const step = period >= SHORTEST_PERIOD ? period : Math.ceil(SHORTEST_PERIOD / period) * period;
    const late = ticksUntil(this.comparator, now, wide);
    const catchUp = late >= step && late < CATCH_UP;
    const periods = late < CATCH_UP ? 1 : Math.floor(late / step) + 1;
    addTicks(this.comparator, Math.min(periods * step, Number.MAX_SAFE_INTEGER), this.comparator);
    if (!wide) this.comparator.high = 0;
    const ahead = catchUp ? 0 : ticksUntil(now, this.comparator, wide);
    this.#wait(ahead < 2 ** 49 ? this.#counter.timeAfter(ahead) : undefined);
  }
}

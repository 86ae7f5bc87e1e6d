/**
 * The local APIC's timer: SDM vol. 3A, "APIC Timer". It counts at 1 GHz divided by the divide configuration, so that a
 * tick is a nanosecond of guest time; guests measure the frequency or read it from CPUID leaf 0x15 or 0x16.
 */
import {
  booleanField,
  type Clock,
  finiteField,
  integerField,
  recordField,
  type StateField,
  u32Field,
} from "@tsvm/contracts";
import { createAlarm, nextDue } from "../time/alarm.ts";
import type { TscWire } from "./tsc-wire.ts";

export const MODE_ONE_SHOT = 0;
export const MODE_PERIODIC = 1;
export const MODE_TSC_DEADLINE = 2;

export interface ApicTimerState {
  mode: number;
  initial: number;
  /** The count has not come to its end; always true once started in periodic mode. */
  counting: boolean;
  divideConfiguration: number;
  /** When the count started from `initial`. */
  startNs: number;
  /** When the interrupt is due. */
  dueNs: number;
  /** IA32_TSC_DEADLINE; 0 when disarmed. */
  tscDeadline: number;
}

export const apicTimerField: StateField<ApicTimerState> = recordField<ApicTimerState>({
  mode: integerField(0, 3),
  initial: u32Field,
  counting: booleanField,
  divideConfiguration: integerField(0, 0xb),
  startNs: finiteField,
  dueNs: finiteField,
  tscDeadline: finiteField,
});

export interface ApicTimer {
  /** Bits 18:17 of the LVT entry. A change of mode disarms. */
  setMode(mode: number): void;
  initial: number;
  readonly current: number;
  divideConfiguration: number;
  /** IA32_TSC_DEADLINE: reads 0 when disarmed; a write outside of the mode is ignored. */
  tscDeadline: number;
  /** The time-stamp counter was written: a deadline stands elsewhere in guest time now. */
  tscChanged(): void;
  reset(): void;
  save(): ApicTimerState;
  restore(state: ApicTimerState): void;
}

const POWER_ON: ApicTimerState = {
  mode: MODE_ONE_SHOT,
  initial: 0,
  counting: false,
  divideConfiguration: 0,
  startNs: 0,
  dueNs: 0,
  tscDeadline: 0,
};

/** @param fire the interrupt is due; the LVT entry decides what comes of it */
export function createApicTimer(clock: Clock, tsc: TscWire | undefined, fire: () => void): ApicTimer {
  return new Timer(clock, tsc, fire);
}

class Timer implements ApicTimer {
  readonly #clock: Clock;
  readonly #tsc: TscWire | undefined;
  readonly #fire: () => void;
  readonly #alarm: ReturnType<typeof createAlarm>;
  #s: ApicTimerState = { ...POWER_ON };

  constructor(clock: Clock, tsc: TscWire | undefined, fire: () => void) {
    this.#clock = clock;
    this.#tsc = tsc;
    this.#fire = fire;
    this.#alarm = createAlarm(clock, () => this.#ring());
  }

  setMode(mode: number): void {
    const s = this.#s;
    if (mode === s.mode) return;
    const wasDeadline = s.mode === MODE_TSC_DEADLINE;
    // A count that is over belongs to the mode that it ran in.
    if (s.counting && this.#clock.now() >= s.dueNs) {
      this.#alarm.cancel();
      this.#ring();
    }
    if (s.counting && s.mode === MODE_PERIODIC) this.#endWithThisRound();
    s.mode = mode;
    if (wasDeadline || mode === MODE_TSC_DEADLINE) {
      this.#alarm.cancel();
      s.tscDeadline = 0;
      s.initial = 0;
      s.counting = false;
    }
    // Between one-shot and periodic a running count goes on: startNs and dueNs are right for both.
  }

  get initial(): number {
    return this.#s.initial;
  }

  set initial(count: number) {
    const s = this.#s;
    if (s.mode === MODE_TSC_DEADLINE) return;
    s.initial = count;
    s.counting = count !== 0;
    if (!s.counting) {
      this.#alarm.cancel();
      return;
    }
    s.startNs = this.#clock.now();
    s.dueNs = s.startNs + this.#periodNs;
    this.#alarm.set(s.dueNs);
  }

  get current(): number {
    const s = this.#s;
    if (!s.counting || s.initial === 0) return 0;
    const elapsed = Math.max(0, Math.floor((this.#clock.now() - s.startNs) / this.#divisor));
    if (s.mode === MODE_PERIODIC) return s.initial - (elapsed % s.initial);
    return Math.max(0, s.initial - elapsed);
  }

  get divideConfiguration(): number {
    return this.#s.divideConfiguration;
  }

  set divideConfiguration(value: number) {
    const s = this.#s;
    const left = this.current;
    s.divideConfiguration = value & 0xb;
    if (left === 0) return;
    const now = this.#clock.now();
    s.startNs = now - (s.initial - left) * this.#divisor;
    s.dueNs = now + left * this.#divisor;
    this.#alarm.set(s.dueNs);
  }

  get tscDeadline(): number {
    return this.#s.tscDeadline;
  }

  set tscDeadline(ticks: number) {
    const s = this.#s;
    if (s.mode !== MODE_TSC_DEADLINE || this.#tsc === undefined) return;
    s.tscDeadline = ticks;
    this.tscChanged();
  }

  tscChanged(): void {
    const s = this.#s;
    this.#alarm.cancel();
    if (s.tscDeadline === 0 || this.#tsc === undefined) return;
    if (this.#tsc.now() >= s.tscDeadline) this.#deadlinePassed();
    else this.#alarm.set(Math.max(this.#tsc.deadlineNs(s.tscDeadline), this.#clock.now() + 1));
  }

  reset(): void {
    this.#alarm.cancel();
    this.#s = { ...POWER_ON };
  }

  save(): ApicTimerState {
    return { ...this.#s };
  }

  restore(state: ApicTimerState): void {
    this.#s = { ...state };
    this.#alarm.cancel();
    if (state.mode === MODE_TSC_DEADLINE) this.tscChanged();
    else if (state.counting) this.#alarm.set(state.dueNs);
  }

  /** Divide configuration bits 3, 1, 0: 2, 4, 8, 16, 32, 64, 128, 1. */
  get #divisor(): number {
    const bits = this.#s.divideConfiguration;
    return 1 << ((((bits & 3) | ((bits & 8) >>> 1)) + 1) & 7);
  }

  get #periodNs(): number {
    return this.#s.initial * this.#divisor;
  }

  /** Interrupts may lag behind the count, or stand for several rounds of it. */
  #endWithThisRound(): void {
    const s = this.#s;
    const rounds = Math.floor((this.#clock.now() - s.startNs) / this.#periodNs);
    s.startNs += rounds * this.#periodNs;
    s.dueNs = s.startNs + this.#periodNs;
    this.#alarm.set(s.dueNs);
  }

  #ring(): void {
    const s = this.#s;
    if (s.mode === MODE_TSC_DEADLINE) {
      this.tscChanged();
      return;
    }
    if (s.mode === MODE_PERIODIC && s.initial !== 0) {
      s.dueNs = nextDue(s.dueNs, this.#periodNs, this.#clock.now());
      this.#alarm.set(s.dueNs);
    } else {
      s.counting = false;
    }
    this.#fire();
  }

  #deadlinePassed(): void {
    this.#s.tscDeadline = 0;
    this.#fire();
  }
}

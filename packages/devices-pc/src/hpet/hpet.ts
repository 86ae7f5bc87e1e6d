/**
 * The High Precision Event Timers: IA-PC HPET specification 1.0a. A counter of 64 bits at 100 MHz and three comparators.
 *
 * In legacy replacement mode comparators 0 and 1 take the places of the PIT and the RTC at their interrupts. The device
 * therefore stands between those two and their wires: it passes them through, or itself drives the wires.
 */
import {
  type AccessSize,
  booleanField,
  type Clock,
  type Device,
  finiteField,
  type IoRegion,
  type IrqLine,
  listField,
  mergeIntoDword,
  partOfDword,
  recordField,
  u32Field,
} from "@tsvm/contracts";
import {
  createHpetTimer,
  type HpetTimer,
  type HpetTimerState,
  hpetTimerField,
  TN_INT_ENABLE,
  TN_INT_TYPE_LEVEL,
} from "./hpet-timer.ts";
import { addTicks, type WideCount } from "./wide-count.ts";

const WINDOW_LENGTH = 0x400;
const TIMERS = 3;
const TICK_NS = 10;
const COUNTER_CLK_PERIOD_FS = 10_000_000;

const GCAP_ID = 0x000;
const GCAP_PERIOD = 0x004;
const GEN_CONF = 0x010;
const GINTR_STA = 0x020;
const MAIN_CNT = 0x0f0;
const MAIN_CNT_HIGH = 0x0f4;
const TIMER_BASE = 0x100;
const TIMER_STRIDE = 0x20;
const TN_CONFIG = 0x00;
const TN_ROUTES = 0x04;
const TN_COMPARATOR = 0x08;
const TN_COMPARATOR_HIGH = 0x0c;

/** Revision 1, three timers, 64 bits, legacy replacement, vendor 8086. */
const CAPABILITIES = 0x8086_a201;
const ENABLE_CNF = 0x1;
const LEG_RT_CNF = 0x2;
/** Comparators with a place in legacy replacement mode. */
const LEGACY_TIMERS = 2;

export interface HpetOptions {
  readonly clock: Clock;
  /** Where the PIT's output would go: legacy replacement puts comparator 0 there. */
  readonly timerIrq: IrqLine;
  /** Where the RTC's output would go: legacy replacement puts comparator 1 there. */
  readonly rtcIrq: IrqLine;
  /** Interrupt inputs, by what software calls them in Tn_INT_ROUTE_CNF (0 to 31); the others cannot be chosen. */
  readonly routes?: ReadonlyMap<number, IrqLine>;
  /** Default "hpet". */
  readonly name?: string;
}

export interface HpetState {
  config: number;
  status: number;
  /** The counter's value at guest time `startNs` while it runs, else its value. */
  counterLow: number;
  counterHigh: number;
  startNs: number;
  rtcLevel: boolean;
  timers: HpetTimerState[];
}

export interface Hpet extends Device<HpetState> {
  /** The PIT's output comes in here. */
  readonly pitInput: IrqLine;
  /** The RTC's output comes in here. */
  readonly rtcInput: IrqLine;
}

const stateField = recordField<HpetState>({
  config: u32Field,
  status: u32Field,
  counterLow: u32Field,
  counterHigh: u32Field,
  startNs: finiteField,
  rtcLevel: booleanField,
  timers: listField(hpetTimerField, TIMERS),
});

/** One window of 1 KiB. */
export function createHpet(options: HpetOptions): Hpet {
  return new EventTimers(options);
}

class EventTimers implements Hpet {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly pitInput: IrqLine = { set: (level) => this.#setPit(level) };
  readonly rtcInput: IrqLine = { set: (level) => this.#setRtc(level) };
  readonly #options: HpetOptions;
  readonly #timers: readonly HpetTimer[];
  readonly #routeMask: number;
  /** The wire each comparator holds high. */
  readonly #held: (IrqLine | undefined)[] = [];
  readonly #base: WideCount = { low: 0, high: 0 };
  readonly #now: WideCount = { low: 0, high: 0 };
  #config = 0;
  #status = 0;
  #startNs = 0;
  #rtcLevel = false;

  constructor(options: HpetOptions) {
    this.#options = options;
    this.name = options.name ?? "hpet";
    let mask = 0;
    for (const route of options.routes?.keys() ?? []) mask |= 1 << route;
    this.#routeMask = mask >>> 0;
    const counter = {
      running: () => (this.#enabled ? this.#count() : undefined),
      timeAfter: (ticks: number) => this.#startNs + (this.#elapsed() + ticks) * TICK_NS,
    };
    this.#timers = Array.from({ length: TIMERS }, (_, n) =>
      createHpetTimer(options.clock, counter, () => this.#matched(n)),
    );
    this.regions = [
      {
        name: this.name,
        length: WINDOW_LENGTH,
        read: (offset, size) => partOfDword(this.#read(offset & ~3), offset, size),
        write: (offset, size, value) => this.#writePart(offset, size, value),
      },
    ];
  }

  reset(): void {
    for (const timer of this.#timers) timer.reset();
    this.#config = this.#status = this.#base.low = this.#base.high = this.#startNs = 0;
    this.#rtcLevel = false;
    this.#options.timerIrq.set(false);
    this.#options.rtcIrq.set(false);
    this.#driveAll();
  }

  save(): HpetState {
    return {
      config: this.#config,
      status: this.#status,
      counterLow: this.#base.low,
      counterHigh: this.#base.high,
      startNs: this.#startNs,
      rtcLevel: this.#rtcLevel,
      timers: this.#timers.map((timer) => timer.save()),
    };
  }

  restore(untrusted: HpetState): void {
    const state = stateField(untrusted, this.name);
    this.#config = state.config & (ENABLE_CNF | LEG_RT_CNF);
    this.#status = state.status;
    this.#base.low = state.counterLow;
    this.#base.high = state.counterHigh;
    this.#startNs = state.startNs;
    this.#rtcLevel = state.rtcLevel;
    for (const [n, timer] of this.#timers.entries()) {
      timer.restore(state.timers[n] as HpetTimerState);
    }
    if (!this.#legacy) this.#options.rtcIrq.set(this.#rtcLevel);
    this.#driveAll();
  }

  get #enabled(): boolean {
    return (this.#config & ENABLE_CNF) !== 0;
  }

  get #legacy(): boolean {
    return (this.#config & LEG_RT_CNF) !== 0;
  }

  /** Whole ticks since the counter was started or set. */
  #elapsed(): number {
    return Math.max(0, Math.floor((this.#options.clock.now() - this.#startNs) / TICK_NS));
  }

  /** The counter now; the same object every time. */
  #count(): WideCount {
    addTicks(this.#base, this.#enabled ? this.#elapsed() : 0, this.#now);
    return this.#now;
  }

  #read(register: number): number {
    if (register >= TIMER_BASE) return this.#readTimer(register);
    switch (register) {
      case GCAP_ID:
        return CAPABILITIES;
      case GCAP_PERIOD:
        return COUNTER_CLK_PERIOD_FS;
      case GEN_CONF:
        return this.#config;
      case GINTR_STA:
        return this.#status;
      case MAIN_CNT:
        return this.#count().low;
      case MAIN_CNT_HIGH:
        return this.#count().high;
      default:
        return 0;
    }
  }

  #readTimer(register: number): number {
    const timer = this.#timers[(register - TIMER_BASE) >>> 5];
    if (timer === undefined) return 0;
    switch (register & (TIMER_STRIDE - 1)) {
      case TN_CONFIG:
        return timer.config;
      case TN_ROUTES:
        return this.#routeMask;
      case TN_COMPARATOR:
        return timer.comparator.low;
      case TN_COMPARATOR_HIGH:
        return timer.comparator.high;
      default:
        return 0;
    }
  }

  #writePart(offset: number, size: AccessSize, value: number): void {
    const register = offset & ~3;
    // Bytes not written of a write-one-to-clear register are zeros.
    const old = register === GINTR_STA ? 0 : this.#read(register);
    this.#write(register, mergeIntoDword(old, offset, size, value));
  }

  #write(register: number, value: number): void {
    if (register >= TIMER_BASE) this.#writeTimer(register, value);
    else if (register === GEN_CONF) this.#writeConfig(value & (ENABLE_CNF | LEG_RT_CNF));
    else if (register === GINTR_STA) {
      this.#status = (this.#status & ~value) >>> 0;
      this.#driveAll();
    } else if (register === MAIN_CNT || register === MAIN_CNT_HIGH) {
      this.#setCounter(register === MAIN_CNT ? "low" : "high", value);
    }
  }

  #writeTimer(register: number, value: number): void {
    const n = (register - TIMER_BASE) >>> 5;
    const timer = this.#timers[n];
    if (timer === undefined) return;
    switch (register & (TIMER_STRIDE - 1)) {
      case TN_CONFIG:
        timer.writeConfig(value);
        timer.schedule();
        if ((timer.config & TN_INT_TYPE_LEVEL) === 0) this.#status &= ~(1 << n);
        this.#drive(n);
        break;
      case TN_COMPARATOR:
        timer.writeComparator(value, "low");
        break;
      case TN_COMPARATOR_HIGH:
        timer.writeComparator(value, "high");
        break;
    }
  }

  #writeConfig(value: number): void {
    const changed = this.#config ^ value;
    this.#rebase();
    this.#config = value;
    if ((changed & ENABLE_CNF) !== 0) for (const timer of this.#timers) timer.schedule();
    if ((changed & LEG_RT_CNF) === 0) return;
    this.#options.rtcIrq.set(!this.#legacy && this.#rtcLevel);
    this.#driveAll();
  }

  #setCounter(half: "low" | "high", value: number): void {
    this.#rebase();
    this.#base[half] = value;
    for (const timer of this.#timers) timer.schedule();
  }

  /** From here on the counter is counted from now: `#base` takes in what has passed. */
  #rebase(): void {
    const { low, high } = this.#count();
    // The part of a tick that has begun is kept, so that halting and setting lose no time on average.
    const part = this.#enabled ? (this.#options.clock.now() - this.#startNs) % TICK_NS : 0;
    this.#base.low = low;
    this.#base.high = high;
    this.#startNs = this.#options.clock.now() - Math.max(0, part);
  }

  #setPit(level: boolean): void {
    if (!this.#legacy) this.#options.timerIrq.set(level);
  }

  #setRtc(level: boolean): void {
    this.#rtcLevel = level;
    if (!this.#legacy) this.#options.rtcIrq.set(level);
  }

  #matched(n: number): void {
    const config = this.#timers[n]?.config ?? 0;
    if ((config & TN_INT_TYPE_LEVEL) !== 0) this.#status = (this.#status | (1 << n)) >>> 0;
    if ((config & TN_INT_ENABLE) === 0) return;
    if ((config & TN_INT_TYPE_LEVEL) !== 0) {
      this.#drive(n);
      return;
    }
    const wire = this.#wire(n);
    wire?.set(true);
    wire?.set(false);
  }

  /** Where comparator `n` interrupts now. */
  #wire(n: number): IrqLine | undefined {
    const { timerIrq, rtcIrq, routes } = this.#options;
    if (this.#legacy && n < LEGACY_TIMERS) return n === 0 ? timerIrq : rtcIrq;
    const config = this.#timers[n]?.config ?? 0;
    return routes?.get((config >>> 9) & 31);
  }

  #driveAll(): void {
    for (let n = 0; n < TIMERS; n++) this.#drive(n);
  }

  /** Holds the wire of a level-triggered comparator high while its status bit stands. */
  #drive(n: number): void {
    const config = this.#timers[n]?.config ?? 0;
    const levelAndEnabled = TN_INT_TYPE_LEVEL | TN_INT_ENABLE;
    const asserted = ((this.#status >>> n) & 1) !== 0 && (config & levelAndEnabled) === levelAndEnabled;
    const wire = asserted ? this.#wire(n) : undefined;
    const held = this.#held[n];
    if (held === wire) return;
    held?.set(false);
    wire?.set(true);
    this.#held[n] = wire;
  }
}

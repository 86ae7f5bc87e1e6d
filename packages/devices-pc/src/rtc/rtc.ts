/**
 * The MC146818 real-time clock and its battery-backed RAM, as an AT has them behind ports 0x70 and 0x71.
 *
 * The time registers are computed when read. An alarm of our Clock is set only for an interrupt that register B lets
 * through; a guest that polls the flags of register C instead is answered from what has passed since it looked last.
 */
import {
  booleanField,
  byteRegion,
  bytesField,
  type Clock,
  type Device,
  finiteField,
  type IrqLine,
  integerField,
  recordField,
} from "@tsvm/contracts";
import { createAlarm } from "../time/alarm.ts";
import { createTickRate } from "../time/tick-rate.ts";
import { type CalendarFormat, CENTURY, nextAlarm, readCalendar, writeCalendar, YEAR } from "./calendar.ts";

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
const A_UIP = 0x80;
const A_DV = 0x70;
const A_RS = 0x0f;
/** DV2 and DV1 hold the divider chain in reset. */
const A_DV_RESET = 0x60;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_DM = 0x04;
const B_24 = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const INDEX_NMI_OFF = 0x80;

/** 32.768 kHz time base, periodic rate 1024 Hz; 24 hours, BCD: what a PC's firmware leaves. */
const DEFAULT_A = 0x26;
const DEFAULT_B = 0x02;
const CMOS_LENGTH = 128;
const NS_PER_SECOND = 1e9;
/** UIP comes this long before the update ("Update Cycle", t_BUC). */
const UIP_NS = 244_000;
/** The first update after the divider chain is let go. */
const FIRST_UPDATE_NS = NS_PER_SECOND / 2;
const TIME_BASE_HZ = 32_768;

export interface RtcOptions {
  readonly clock: Clock;
  /** IRQ pin, until register C is read. */
  readonly irq: IrqLine;
  /** The time of day at power-on: whole seconds of UTC after 1970. The caller's, so that it can be the same every time. */
  readonly epochSeconds: number;
  /** Bit 7 of the index port changed: the board's NMI gate. */
  readonly onNmiMask?: (masked: boolean) => void;
  /** Default "rtc". */
  readonly name?: string;
}

export interface RtcState {
  index: number;
  nmiMasked: boolean;
  cmos: Uint8Array;
  flags: number;
  /** The time of day at guest time `baseNs`, while the clock runs. */
  baseSeconds: number;
  baseNs: number;
  /** The last second whose update, and alarm, were noted in the flags. */
  notedSeconds: number;
  /** The last tick of the time base up to which periods were noted. */
  notedTick: number;
}

export interface Rtc extends Device<RtcState> {
  /** Battery-backed RAM as the board's firmware fills it; `index` 0x0e to 0x7f. The clock's own registers are refused. */
  setCmos(index: number, value: number): void;
  readonly nmiMasked: boolean;
}

const stateField = recordField<RtcState>({
  index: integerField(0, 0x7f),
  nmiMasked: booleanField,
  cmos: bytesField(CMOS_LENGTH),
  flags: integerField(0, 0xff),
  baseSeconds: integerField(-1e12, 1e12),
  baseNs: finiteField,
  notedSeconds: integerField(-2e12, 2e12),
  notedTick: finiteField,
});

/** One region of two ports: index and data. The clock and the RAM outlive `reset`. */
export function createRtc(options: RtcOptions): Rtc {
  return new Mc146818(options);
}

class Mc146818 implements Rtc {
  readonly name: string;
  readonly regions: Rtc["regions"];
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #onNmiMask: ((masked: boolean) => void) | undefined;
  readonly #timeBase = createTickRate(TIME_BASE_HZ);
  readonly #secondAlarm: ReturnType<typeof createAlarm>;
  readonly #periodicAlarm: ReturnType<typeof createAlarm>;
  #s: RtcState;

  constructor({ clock, irq, epochSeconds, onNmiMask, name = "rtc" }: RtcOptions) {
    this.name = name;
    this.#clock = clock;
    this.#irq = irq;
    this.#onNmiMask = onNmiMask;
    this.#secondAlarm = createAlarm(clock, () => this.#update());
    this.#periodicAlarm = createAlarm(clock, () => this.#update());
    this.regions = [
      byteRegion(
        name,
        2,
        // The index port is write-only on an AT.
        (offset) => (offset === 0 ? 0xff : this.#read(this.#s.index)),
        (offset, value) => (offset === 0 ? this.#select(value) : this.#write(this.#s.index, value)),
      ),
    ];
    const cmos = new Uint8Array(CMOS_LENGTH);
    cmos[REGISTER_A] = DEFAULT_A;
    cmos[REGISTER_B] = DEFAULT_B;
    const baseSeconds = Math.floor(epochSeconds);
    const baseNs = clock.now();
    this.#s = {
      index: 0,
      nmiMasked: false,
      cmos,
      flags: 0,
      baseSeconds,
      baseNs,
      notedSeconds: baseSeconds,
      notedTick: this.#timeBase.ticksAt(baseNs),
    };
    this.#showTime();
  }

  get nmiMasked(): boolean {
    return this.#s.nmiMasked;
  }

  setCmos(index: number, value: number): void {
    if (index > REGISTER_D && index < CMOS_LENGTH && index !== CENTURY) this.#s.cmos[index] = value;
  }

  /** RESET pin: "Interrupts are disabled and flags cleared"; time, RAM and register A are not touched. */
  reset(): void {
    const s = this.#s;
    s.index = 0;
    s.flags = 0;
    s.cmos[REGISTER_B] = this.#b & ~(B_PIE | B_AIE | B_UIE);
    this.#noteAll();
    s.flags = 0;
    this.#irq.set(false);
    this.#select(0);
    this.#update();
  }

  save(): RtcState {
    return stateField(this.#s, this.name);
  }

  restore(untrusted: RtcState): void {
    this.#s = stateField(untrusted, this.name);
    this.#onNmiMask?.(this.#s.nmiMasked);
    this.#irq.set((this.#s.flags & C_IRQF) !== 0);
    this.#arm();
  }

  get #b(): number {
    return this.#s.cmos[REGISTER_B] as number;
  }

  get #format(): CalendarFormat {
    return { binary: (this.#b & B_DM) !== 0, hours24: (this.#b & B_24) !== 0 };
  }

  /** The time goes on: neither stopped by SET nor by the divider chain. */
  get #running(): boolean {
    const divider = (this.#s.cmos[REGISTER_A] as number) & A_DV;
    return (this.#b & B_SET) === 0 && divider < A_DV_RESET;
  }

  get #sinceBaseNs(): number {
    return this.#clock.now() - this.#s.baseNs;
  }

  /** The time of day now, in seconds after 1970. */
  get #seconds(): number {
    const s = this.#s;
    return s.baseSeconds + Math.floor(this.#sinceBaseNs / NS_PER_SECOND);
  }

  #select(value: number): void {
    const s = this.#s;
    const masked = (value & INDEX_NMI_OFF) !== 0;
    s.index = value & 0x7f;
    if (masked === s.nmiMasked) return;
    s.nmiMasked = masked;
    this.#onNmiMask?.(masked);
  }

  #read(index: number): number {
    const s = this.#s;
    switch (index) {
      case REGISTER_A:
        return (s.cmos[REGISTER_A] as number) | (this.#updateIsNear() ? A_UIP : 0);
      case REGISTER_C:
        return this.#takeFlags();
      case REGISTER_D:
        return D_VRT;
      default:
        if (isTime(index)) this.#showTime();
        return s.cmos[index] as number;
    }
  }

  #write(index: number, value: number): void {
    const s = this.#s;
    if (index === REGISTER_C || index === REGISTER_D) return;
    if (index === REGISTER_A) this.#writeControl(index, value & ~A_UIP);
    else if (index === REGISTER_B) this.#writeControl(index, value);
    else if (isTime(index)) this.#writeTime(index, value);
    else {
      this.#noteAll();
      s.cmos[index] = value;
      this.#update();
    }
  }

  /** Register A or B: may stop the clock, start it, change its format, or enable interrupts. */
  #writeControl(index: number, value: number): void {
    const s = this.#s;
    this.#noteAll();
    const wasRunning = this.#running;
    if (wasRunning) this.#showTime();
    const wasHeld = ((s.cmos[REGISTER_A] as number) & A_DV) >= A_DV_RESET;
    // "When SET is written to one, UIE is cleared" ("Register B").
    s.cmos[index] = index === REGISTER_B && (value & B_SET) !== 0 ? value & ~B_UIE : value;
    const isHeld = ((s.cmos[REGISTER_A] as number) & A_DV) >= A_DV_RESET;
    if (this.#running && !wasRunning) this.#start(wasHeld && !isHeld);
    this.#update();
  }

  #start(dividerReleased: boolean): void {
    const s = this.#s;
    s.baseSeconds = readCalendar(s.cmos, this.#format);
    // Stopped by SET alone the divider chain runs on: the fraction of the second is kept.
    const fraction = ((this.#sinceBaseNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
    s.baseNs = this.#clock.now() - (dividerReleased ? FIRST_UPDATE_NS : fraction);
    s.notedSeconds = s.baseSeconds;
  }

  #writeTime(index: number, value: number): void {
    const s = this.#s;
    this.#noteAll();
    if (this.#running) this.#showTime();
    s.cmos[index] = value;
    if (this.#running) this.#start(false);
    this.#update();
  }

  #showTime(): void {
    if (this.#running) writeCalendar(this.#s.cmos, this.#seconds, this.#format);
  }

  #updateIsNear(): boolean {
    const elapsed = this.#sinceBaseNs;
    return this.#running && elapsed >= 0 && elapsed % NS_PER_SECOND >= NS_PER_SECOND - UIP_NS;
  }

  /** Ticks of the time base between periodic interrupts; 0 for none ("Periodic Interrupt Rate"). */
  get #periodTicks(): number {
    const rate = (this.#s.cmos[REGISTER_A] as number) & A_RS;
    if (rate === 0) return 0;
    return 1 << (rate <= 2 ? rate + 6 : rate - 1);
  }

  /** Reading register C clears it and releases the line. */
  #takeFlags(): number {
    const s = this.#s;
    this.#update();
    const flags = s.flags;
    s.flags = 0;
    this.#irq.set(false);
    this.#arm();
    return flags;
  }

  /** Notes in the flags what has passed, raises the line if register B wants it, and sets the alarms for what comes. */
  #update(): void {
    this.#noteAll();
    this.#arm();
  }

  #noteAll(): void {
    const s = this.#s;
    const tick = this.#timeBase.ticksAt(this.#clock.now());
    const period = this.#periodTicks;
    if (period !== 0 && Math.floor(tick / period) > Math.floor(s.notedTick / period)) s.flags |= C_PF;
    s.notedTick = tick;
    const seconds = this.#seconds;
    if (this.#running && seconds > s.notedSeconds) {
      const alarm = nextAlarm(s.cmos, s.notedSeconds + 1, this.#format);
      if (alarm !== undefined && alarm <= seconds) s.flags |= C_AF;
      s.flags |= C_UF;
      s.notedSeconds = seconds;
    }
    this.#raise();
  }

  #raise(): void {
    const s = this.#s;
    // PIE, AIE and UIE stand where PF, AF and UF do.
    if ((s.flags & this.#b & (C_PF | C_AF | C_UF)) === 0 || (s.flags & C_IRQF) !== 0) return;
    s.flags |= C_IRQF;
    this.#irq.set(true);
  }

  #arm(): void {
    this.#secondAlarm.cancel();
    this.#periodicAlarm.cancel();
    const s = this.#s;
    // A line that is high stays high: nothing more can happen until register C is read.
    if ((s.flags & C_IRQF) !== 0) return;
    const second = this.#running ? this.#nextSecond() : undefined;
    if (second !== undefined) {
      this.#secondAlarm.set(s.baseNs + (second - s.baseSeconds) * NS_PER_SECOND);
    }
    const period = this.#periodTicks;
    if ((this.#b & B_PIE) === 0 || period === 0) return;
    const due = (Math.floor(s.notedTick / period) + 1) * period;
    this.#periodicAlarm.set(this.#timeBase.nsOf(due));
  }

  /** The next second that interrupts. */
  #nextSecond(): number | undefined {
    const next = this.#s.notedSeconds + 1;
    if ((this.#b & B_UIE) !== 0) return next;
    return (this.#b & B_AIE) !== 0 ? nextAlarm(this.#s.cmos, next, this.#format) : undefined;
  }
}

/** The registers that advance by themselves; alarm bytes stand between them. */
function isTime(index: number): boolean {
  return index === CENTURY || (index <= YEAR && (index > 5 || (index & 1) === 0));
}

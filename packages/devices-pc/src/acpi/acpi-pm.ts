/**
 * ACPI fixed hardware: ACPI specification, "ACPI Hardware Specification". Laid out as in the 82371AB (PIIX4), whose
 * PCI function this block belongs to on a `pc` board: PM1a events at offset 0, control at 4, timer at 8.
 */
import {
  type AccessSize,
  booleanField,
  byteRegion,
  type Clock,
  type Device,
  finiteField,
  type IoRegion,
  type IrqLine,
  partOfDword,
  recordField,
  u16Field,
} from "@tsvm/contracts";
import { createAlarm } from "../time/alarm.ts";
import { createTickRate } from "../time/tick-rate.ts";

export const PM_TIMER_HZ = 3_579_545;
/** Offsets in the PM region, for the FADT. */
export const PM1_EVENT_OFFSET = 0;
export const PM1_CONTROL_OFFSET = 4;
export const PM_TIMER_OFFSET = 8;
/** What the FADT's ACPI_ENABLE and ACPI_DISABLE have to say for the SMI command port here. */
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;
/** SLP_TYP of S5, for the `_S5` package of the DSDT. */
export const DEFAULT_S5_SLEEP_TYPE = 5;
/** SLP_TYP of S3, for the `_S3` package of the DSDT. */
export const S3_SLEEP_TYPE = 1;

const TMR_STS = 0x0001;
const PWRBTN_STS = 0x0100;
const SLPBTN_STS = 0x0200;
const RTC_STS = 0x0400;
const WAK_STS = 0x8000;
/** Write-one-to-clear; GBL_STS and BM_STS never rise here. */
const STATUS_BITS = TMR_STS | 0x0030 | PWRBTN_STS | SLPBTN_STS | RTC_STS | WAK_STS;
const ENABLE_BITS = TMR_STS | 0x0020 | PWRBTN_STS | SLPBTN_STS | RTC_STS;
const SCI_EN = 0x0001;
const SLP_EN = 0x2000;
const CONTROL_BITS = 0x1c07;

const PM_LENGTH = 64;
const GPE_LENGTH = 4;

export interface AcpiPmOptions {
  readonly clock: Clock;
  /** System control interrupt, level-triggered. */
  readonly sci: IrqLine;
  /** The guest asked for S5 by SLP_TYP and SLP_EN. */
  readonly onPowerOff: () => void;
  /** SLP_TYP that means S5. Default 5. */
  readonly s5SleepType?: number;
  /**
   * The guest asked for S3: the processor is to stop behind the instruction that did. Absent: there is no S3; the machine
   * goes on, as with every other SLP_TYP.
   */
  readonly onSuspend?: () => void;
  /** `wakeDue` is true; told until `wake` at every change. */
  readonly onWakeEvent?: () => void;
  /** Whether the timer has 32 bits (FADT flag TMR_VAL_EXT) or 24. Default 32. */
  readonly timerBits?: 24 | 32;
  /** Start with SCI_EN set, as firmware without SMI command port leaves it. Default false. */
  readonly acpiMode?: boolean;
  /** Default "acpi-pm". */
  readonly name?: string;
}

export interface AcpiPmState {
  status: number;
  enable: number;
  control: number;
  gpeStatus: number;
  gpeEnable: number;
  /** Last byte written to the SMI data port. */
  smiData: number;
  /** Half periods of the timer (carries out of its high bit) that TMR_STS has taken note of. */
  notedCarries: number;
  timerDue: boolean;
  /** Level of the RTC's interrupt. */
  rtcLevel: boolean;
  /** In S3. */
  asleep: boolean;
  /** In S3, and `requestWake` was called. */
  wakeRequested: boolean;
}

export interface AcpiPm extends Device<AcpiPmState> {
  /** The RTC's interrupt: RTC_STS is set when it rises, whoever else listens. */
  readonly rtcAlarm: IrqLine;
  /** In S3: from `onSuspend` to `wake` or `reset`. */
  readonly asleep: boolean;
  /** Asleep, and an enabled event is there, or `requestWake` was called. */
  readonly wakeDue: boolean;
  /** Somebody outside wants it awake; no event tells the guest who. @returns false: it does not sleep */
  requestWake(): boolean;
  /** S3 is over: sets WAK_STS. The registers stand in the suspend well: instead of `reset`, and behind that of all others. */
  wake(): void;
  /** The power button is pressed: an ACPI event; the guest decides what comes of it. */
  pressPowerButton(): void;
  /** Sets status bit `bit` (0 to 15) of GPE0, which stays until the guest clears it. */
  raiseGpe(bit: number): void;
}

const stateField = recordField<AcpiPmState>({
  status: u16Field,
  enable: u16Field,
  control: u16Field,
  gpeStatus: u16Field,
  gpeEnable: u16Field,
  smiData: u16Field,
  notedCarries: finiteField,
  timerDue: booleanField,
  rtcLevel: booleanField,
  asleep: booleanField,
  wakeRequested: booleanField,
});

/** Regions: PM block (64 bytes), GPE0 block (4 bytes), SMI command and data ports (2 bytes). */
export function createAcpiPm(options: AcpiPmOptions): AcpiPm {
  return new PowerManagement(options);
}

class PowerManagement implements AcpiPm {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly rtcAlarm: IrqLine = { set: (level) => this.#setRtc(level) };
  readonly #options: AcpiPmOptions;
  readonly #rate = createTickRate(PM_TIMER_HZ);
  readonly #alarm: ReturnType<typeof createAlarm>;
  /** Ticks between changes of the timer's highest bit, each of which sets TMR_STS. */
  readonly #halfPeriod: number;
  #s: AcpiPmState;

  constructor(options: AcpiPmOptions) {
    const name = options.name ?? "acpi-pm";
    this.name = name;
    this.#options = options;
    this.#halfPeriod = 2 ** ((options.timerBits ?? 32) - 1);
    this.#alarm = createAlarm(options.clock, () => this.#update());
    this.#s = this.#powerOn();
    const pm: IoRegion = {
      name,
      length: PM_LENGTH,
      read: (offset, size) => this.#readPm(offset, size),
      write: (offset, size, value) => this.#writePm(offset, size, value),
    };
    const gpe = byteRegion(
      `${name}.gpe0`,
      GPE_LENGTH,
      (offset) => byteOf(offset < 2 ? this.#s.gpeStatus : this.#s.gpeEnable, offset & 1),
      (offset, value) => this.#writeGpe(offset, value),
    );
    const smi = byteRegion(
      `${name}.smi`,
      2,
      (offset) => (offset === 0 ? 0 : this.#s.smiData),
      (offset, value) => this.#writeSmi(offset, value),
    );
    this.regions = [pm, gpe, smi];
  }

  get asleep(): boolean {
    return this.#s.asleep;
  }

  get wakeDue(): boolean {
    return this.#s.asleep && (this.#s.wakeRequested || this.#eventPending());
  }

  requestWake(): boolean {
    if (!this.#s.asleep) return false;
    this.#s.wakeRequested = true;
    this.#update();
    return true;
  }

  wake(): void {
    this.#s.asleep = false;
    this.#s.wakeRequested = false;
    this.#s.status |= WAK_STS;
    this.#update();
  }

  pressPowerButton(): void {
    this.#s.status |= PWRBTN_STS;
    this.#update();
  }

  raiseGpe(bit: number): void {
    this.#s.gpeStatus |= (1 << bit) & 0xffff;
    this.#update();
  }

  reset(): void {
    this.#s = { ...this.#powerOn(), rtcLevel: this.#s.rtcLevel };
    this.#update();
  }

  save(): AcpiPmState {
    return { ...this.#s };
  }

  restore(state: AcpiPmState): void {
    this.#s = stateField(state, this.name);
    this.#driveSci();
    this.#alarm.cancel();
    if (this.#s.timerDue) this.#armTimer();
  }

  #powerOn(): AcpiPmState {
    return {
      status: 0,
      enable: 0,
      control: this.#options.acpiMode === true ? SCI_EN : 0,
      gpeStatus: 0,
      gpeEnable: 0,
      smiData: 0,
      notedCarries: this.#carries(),
      timerDue: false,
      rtcLevel: false,
      asleep: false,
      wakeRequested: false,
    };
  }

  #ticks(): number {
    return this.#rate.ticksAt(this.#options.clock.now());
  }

  #carries(): number {
    return Math.floor(this.#ticks() / this.#halfPeriod);
  }

  /** TM_VALUE. Zero-extended when it has 24 bits. */
  #timer(): number {
    return this.#ticks() % (2 * this.#halfPeriod);
  }

  #readPm(offset: number, size: AccessSize): number {
    const register = offset & ~3;
    if (register === PM1_EVENT_OFFSET) this.#noteCarries();
    const s = this.#s;
    const value =
      register === PM1_EVENT_OFFSET
        ? s.status | (s.enable << 16)
        : register === PM1_CONTROL_OFFSET
          ? s.control
          : register === PM_TIMER_OFFSET
            ? this.#timer()
            : 0;
    return partOfDword(value, offset, size);
  }

  #writePm(offset: number, size: AccessSize, value: number): void {
    // SLP_EN acts when its byte is written, after SLP_TYP in the same one has been taken.
    for (let i = 0; i < size; i++) this.#writePmByte(offset + i, (value >>> (8 * i)) & 0xff);
    this.#update();
  }

  #writePmByte(offset: number, byte: number): void {
    const s = this.#s;
    const bits = byte << (8 * (offset & 1));
    const other = 0xff00 >>> (8 * (offset & 1));
    switch (offset & ~1) {
      case PM1_EVENT_OFFSET:
        this.#noteCarries();
        s.status &= ~(bits & STATUS_BITS);
        break;
      case PM1_EVENT_OFFSET + 2:
        s.enable = ((s.enable & other) | bits) & ENABLE_BITS;
        break;
      case PM1_CONTROL_OFFSET:
        s.control = ((s.control & other) | bits) & CONTROL_BITS;
        if ((bits & SLP_EN) !== 0) this.#sleep((bits >>> 10) & 7);
        break;
    }
  }

  #sleep(sleepType: number): void {
    const s5 = this.#options.s5SleepType ?? DEFAULT_S5_SLEEP_TYPE;
    if (sleepType === s5) return this.#options.onPowerOff();
    const { onSuspend } = this.#options;
    if (sleepType !== S3_SLEEP_TYPE || onSuspend === undefined) return;
    this.#s.asleep = true;
    onSuspend();
  }

  #setRtc(level: boolean): void {
    const s = this.#s;
    if (level && !s.rtcLevel) s.status |= RTC_STS;
    s.rtcLevel = level;
    this.#update();
  }

  #writeGpe(offset: number, byte: number): void {
    const s = this.#s;
    const shift = 8 * (offset & 1);
    if (offset < 2) s.gpeStatus &= ~(byte << shift);
    else s.gpeEnable = (s.gpeEnable & (0xff00 >>> shift)) | (byte << shift);
    this.#update();
  }

  #writeSmi(offset: number, value: number): void {
    const s = this.#s;
    if (offset === 1) s.smiData = value;
    else if (value === ACPI_ENABLE) s.control |= SCI_EN;
    else if (value === ACPI_DISABLE) s.control &= ~SCI_EN;
    this.#update();
  }

  #noteCarries(): void {
    const s = this.#s;
    const carries = this.#carries();
    if (carries > s.notedCarries) s.status |= TMR_STS;
    s.notedCarries = carries;
  }

  #update(): void {
    const s = this.#s;
    this.#noteCarries();
    this.#driveSci();
    if (this.wakeDue) this.#options.onWakeEvent?.();
    this.#alarm.cancel();
    // Nobody waits for the timer: its status is found out when it is read.
    s.timerDue = (s.enable & TMR_STS) !== 0 && (s.status & TMR_STS) === 0;
    if (s.timerDue) this.#armTimer();
  }

  #armTimer(): void {
    this.#alarm.set(this.#rate.nsOf((this.#s.notedCarries + 1) * this.#halfPeriod));
  }

  #eventPending(): boolean {
    const s = this.#s;
    return (s.status & s.enable) !== 0 || (s.gpeStatus & s.gpeEnable) !== 0;
  }

  #driveSci(): void {
    this.#options.sci.set(this.#eventPending() && (this.#s.control & SCI_EN) !== 0);
  }
}

function byteOf(register: number, index: number): number {
  return (register >>> (8 * index)) & 0xff;
}

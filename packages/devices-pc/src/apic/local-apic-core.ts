/**
 * One local APIC: SDM vol. 3A, "Local APIC", in xAPIC (MMIO) and x2APIC (MSR) mode, with the wires LINT0 and LINT1.
 *
 * 1. `pending` is always up to date: whatever touches IRR, ISR, TPR, LINT0 or the modes ends in `#update`.
 * 2. A vector is in IRR or ISR only if the APIC was software-enabled when it came; disabling keeps both (SDM: "The
 *    pending interrupts in the IRR and ISR are held and require masking or handling by the CPU").
 * 3. While the APIC is disabled globally, LINT0 is INTR and LINT1 is NMI, as on a CPU without APIC.
 */
import type { IrqLine } from "@tsvm/contracts";
import type { ApicBus, ApicBusMember } from "./apic-bus.ts";
import { BROADCAST, widenDestination } from "./apic-bus.ts";
import {
  APIC_BASE_BSP,
  APIC_BASE_EN,
  APIC_BASE_EXTD,
  DELIVERY_EXTINT,
  DELIVERY_FIXED,
  DELIVERY_INIT,
  DELIVERY_LOWEST_PRIORITY,
  DELIVERY_NMI,
  DELIVERY_STARTUP,
  DFR_FLAT,
  ESR_RECEIVE_ILLEGAL_VECTOR,
  ESR_SEND_ILLEGAL_VECTOR,
  FIRST_LEGAL_VECTOR,
  ICR_ASSERT,
  ICR_LEVEL,
  ICR_LOGICAL,
  ICR_LOW_MASK,
  LVT_COUNT,
  LVT_ERROR,
  LVT_LEVEL,
  LVT_LINT0,
  LVT_LINT1,
  LVT_MASKED,
  LVT_MASKS,
  LVT_REMOTE_IRR,
  LVT_TIMER,
  SHORTHAND_ALL,
  SHORTHAND_SELF,
  SVR_ENABLE,
  SVR_MASK,
  SVR_RESET,
} from "./apic-registers.ts";
import { type ApicTimer, createApicTimer } from "./apic-timer.ts";
import type { LocalApicOptions, LocalApicState } from "./local-apic-state.ts";
import { createVectorSet, type VectorSet } from "./vector-set.ts";

/** Where the window of registers stands after power-on. */
export const DEFAULT_APIC_BASE = 0xfee0_0000;

export class LocalApicCore implements ApicBusMember {
  readonly id: number;
  readonly bus: ApicBus;
  readonly timer: ApicTimer;
  readonly irr: VectorSet = createVectorSet();
  readonly isr: VectorSet = createVectorSet();
  readonly tmr: VectorSet = createVectorSet();
  readonly lvt: number[] = new Array<number>(LVT_COUNT).fill(LVT_MASKED);
  readonly lint0: IrqLine = { set: (level) => this.#setLint(LVT_LINT0, level) };
  readonly lint1: IrqLine = { set: (level) => this.#setLint(LVT_LINT1, level) };
  /** INTR. */
  pending = false;
  nmiPending = false;
  apicBase = 0;
  /** The xAPIC ID, which software may change; the x2APIC ID is `id`. */
  xapicId = 0;
  ldr = 0;
  dfr: number = DFR_FLAT;
  svr: number = SVR_RESET;
  esr = 0;
  icrLow = 0;
  icrHigh = 0;
  #taskPriority = 0;
  #errors = 0;
  #lint0Level = false;
  #lint1Level = false;
  /** An ExtINT message came over the bus and waits for its acknowledge cycle. */
  #extIntMessage = false;
  #notify: () => void = () => {};
  readonly #options: LocalApicOptions;

  constructor(options: LocalApicOptions) {
    this.#options = options;
    this.id = options.id;
    this.bus = options.bus;
    this.timer = createApicTimer(options.clock, options.tsc, () => this.#deliverLvt(LVT_TIMER));
    this.bus.attach(this);
  }

  onRaise(notify: () => void): void {
    this.#notify = notify;
  }

  get globallyEnabled(): boolean {
    return (this.apicBase & APIC_BASE_EN) !== 0;
  }

  get x2apic(): boolean {
    return (this.apicBase & APIC_BASE_EXTD) !== 0;
  }

  get enabled(): boolean {
    return this.globallyEnabled && (this.svr & SVR_ENABLE) !== 0;
  }

  /** TPR, all eight bits. */
  get taskPriority(): number {
    return this.#taskPriority;
  }

  set taskPriority(value: number) {
    this.#taskPriority = value & 0xff;
    this.#update();
  }

  /** PPR: the task's priority or that of the interrupt in service. */
  get processorPriority(): number {
    const inService = Math.max(0, this.isr.highest());
    return this.#taskPriority >>> 4 >= inService >>> 4 ? this.#taskPriority : inService & 0xf0;
  }

  matches(destination: number, logical: boolean): boolean {
    if (!this.globallyEnabled) return false;
    if (destination === BROADCAST) return true;
    if (!logical) return destination === (this.x2apic ? this.id : this.xapicId);
    if (this.x2apic) {
      return destination >>> 16 === this.ldr >>> 16 && (destination & this.ldr & 0xffff) !== 0;
    }
    const own = this.ldr >>> 24;
    if (this.dfr >>> 28 === 0xf) return (own & destination) !== 0;
    return (own & destination & 0xf) !== 0 && own >>> 4 === destination >>> 4;
  }

  receive(deliveryMode: number, vector: number, level: boolean): boolean {
    switch (deliveryMode) {
      case DELIVERY_FIXED:
      case DELIVERY_LOWEST_PRIORITY:
        return this.#accept(vector, level);
      case DELIVERY_NMI:
        this.#raiseNmi();
        return true;
      case DELIVERY_INIT:
        this.initialise();
        this.#options.onInit?.();
        return true;
      case DELIVERY_STARTUP:
        this.#options.onStartup?.(vector);
        return true;
      case DELIVERY_EXTINT:
        this.#extIntMessage = true;
        this.#update();
        return true;
      default:
        // SMI: there is no system management mode to enter.
        return false;
    }
  }

  acknowledge(): number {
    if (this.#externalPending()) {
      this.#extIntMessage = false;
      const vector = this.#options.acknowledgeExternal?.() ?? this.svr & 0xff;
      this.#update();
      return vector;
    }
    const vector = this.#deliverable();
    if (vector < 0) return this.svr & 0xff;
    this.irr.remove(vector);
    this.isr.add(vector);
    this.#update();
    return vector;
  }

  acknowledgeNmi(): void {
    this.nmiPending = false;
  }

  endOfInterrupt(): void {
    const vector = this.isr.highest();
    if (vector < 0) return;
    this.isr.remove(vector);
    if (this.tmr.has(vector)) this.#endOfLevel(vector);
    this.#update();
  }

  writeSvr(value: number): void {
    this.svr = value & SVR_MASK;
    if (!this.enabled) for (let i = 0; i < LVT_COUNT; i++) this.lvt[i] = this.#lvt(i) | LVT_MASKED;
    this.#update();
  }

  writeLvt(index: number, value: number): void {
    // Remote IRR is read-only and goes when the entry is made edge-triggered.
    const remoteIrr = (value & LVT_LEVEL) === 0 ? 0 : this.#lvt(index) & LVT_REMOTE_IRR;
    const forced = this.enabled ? 0 : LVT_MASKED;
    this.lvt[index] = (value & (LVT_MASKS[index] as number) & ~LVT_REMOTE_IRR) | remoteIrr | forced;
    if (index === LVT_TIMER) this.timer.setMode((value >>> 17) & 3);
    if (index === LVT_LINT0 && this.#lint0Level) this.#deliverHeldLint(index);
    if (index === LVT_LINT1 && this.#lint1Level) this.#deliverHeldLint(index);
    this.#update();
  }

  /** A write to ESR shows the errors since the last one. */
  latchErrors(): void {
    this.esr = this.#errors;
    this.#errors = 0;
  }

  noteError(bit: number): void {
    const isNew = (this.#errors & bit) === 0;
    this.#errors |= bit;
    // The error interrupt's own vector may be the illegal one: that must not report itself for ever.
    if (isNew && (this.#lvt(LVT_ERROR) & 0xff) >= FIRST_LEGAL_VECTOR) this.#deliverLvt(LVT_ERROR);
  }

  /** Sends what ICR says. @param destination its high half in the 32-bit form */
  sendIpi(low: number, destination: number): void {
    this.icrLow = low & ICR_LOW_MASK;
    const vector = low & 0xff;
    const mode = (low >>> 8) & 7;
    const level = (low & ICR_LEVEL) !== 0;
    // "INIT Level De-assert" only synchronised arbitration IDs of long ago.
    if (mode === DELIVERY_INIT && level && (low & ICR_ASSERT) === 0) return;
    if (mode <= DELIVERY_LOWEST_PRIORITY && vector < FIRST_LEGAL_VECTOR) {
      this.noteError(ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    const shorthand = (low >>> 18) & 3;
    if (shorthand === 0) this.bus.deliver(destination, (low & ICR_LOGICAL) !== 0, mode, vector, false);
    else {
      if (shorthand <= SHORTHAND_ALL) this.receive(mode, vector, false);
      if (shorthand >= SHORTHAND_ALL) this.bus.deliverToOthers(this, mode, vector, false);
    }
  }

  /** The destination in ICR's high half as xAPIC has it. */
  get xapicDestination(): number {
    return widenDestination(this.icrHigh >>> 24);
  }

  sendSelfIpi(vector: number): void {
    this.sendIpi(vector | (SHORTHAND_SELF << 18), 0);
  }

  /** IA32_APIC_BASE, already checked. Turning the APIC off loses its state. */
  writeApicBase(value: number): void {
    const wasX2apic = this.x2apic;
    this.apicBase = value;
    if (!this.globallyEnabled) this.initialise();
    else if (this.x2apic && !wasX2apic) {
      this.ldr = (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0;
    }
    this.#update();
  }

  /** INIT: everything but IA32_APIC_BASE and the ID. SDM vol. 3A, "Local APIC State After It Receives an INIT". */
  initialise(): void {
    this.irr.clear();
    this.isr.clear();
    this.tmr.clear();
    this.lvt.fill(LVT_MASKED);
    this.timer.reset();
    this.#taskPriority = this.#errors = this.esr = this.icrLow = this.icrHigh = 0;
    this.dfr = DFR_FLAT;
    this.svr = SVR_RESET;
    if (!this.x2apic) this.ldr = 0;
    this.#extIntMessage = false;
    this.#update();
  }

  /** Power-on; in virtual wire mode if the board plays the firmware that has set it up. */
  reset(): void {
    const processor = this.#options.bootstrap === false ? 0 : APIC_BASE_BSP;
    this.apicBase = DEFAULT_APIC_BASE + APIC_BASE_EN + processor;
    this.xapicId = this.id & 0xff;
    this.initialise();
    this.nmiPending = false;
    this.#lint0Level = this.#lint1Level = false;
    if (this.#options.virtualWire === true) {
      this.svr |= SVR_ENABLE;
      this.lvt[LVT_LINT0] = DELIVERY_EXTINT << 8;
      this.lvt[LVT_LINT1] = DELIVERY_NMI << 8;
    }
    this.#update();
  }

  save(): LocalApicState {
    return {
      apicBase: this.apicBase,
      xapicId: this.xapicId,
      taskPriority: this.#taskPriority,
      ldr: this.ldr,
      dfr: this.dfr,
      svr: this.svr,
      esr: this.esr,
      errors: this.#errors,
      icrLow: this.icrLow,
      icrHigh: this.icrHigh,
      irr: this.irr.toArray(),
      isr: this.isr.toArray(),
      tmr: this.tmr.toArray(),
      lvt: [...this.lvt],
      lint0Level: this.#lint0Level,
      lint1Level: this.#lint1Level,
      extIntMessage: this.#extIntMessage,
      nmiPending: this.nmiPending,
      timer: this.timer.save(),
    };
  }

  /** `state` was validated. */
  restore(state: LocalApicState): void {
    this.apicBase = state.apicBase;
    this.xapicId = state.xapicId;
    this.#taskPriority = state.taskPriority;
    this.ldr = state.ldr;
    this.dfr = state.dfr;
    this.svr = state.svr;
    this.esr = state.esr;
    this.#errors = state.errors;
    this.icrLow = state.icrLow;
    this.icrHigh = state.icrHigh;
    this.irr.load(state.irr);
    this.isr.load(state.isr);
    this.tmr.load(state.tmr);
    for (let i = 0; i < LVT_COUNT; i++) this.lvt[i] = state.lvt[i] ?? LVT_MASKED;
    this.#lint0Level = state.lint0Level;
    this.#lint1Level = state.lint1Level;
    this.#extIntMessage = state.extIntMessage;
    this.nmiPending = state.nmiPending;
    this.timer.restore(state.timer);
    this.#update();
    if (this.nmiPending) this.#notify();
  }

  #lvt(index: number): number {
    return this.lvt[index] as number;
  }

  #accept(vector: number, level: boolean): boolean {
    if (!this.enabled) return false;
    if (vector < FIRST_LEGAL_VECTOR) {
      this.noteError(ESR_RECEIVE_ILLEGAL_VECTOR);
      return false;
    }
    this.irr.add(vector);
    if (level) this.tmr.add(vector);
    else this.tmr.remove(vector);
    this.#update();
    return true;
  }

  /** The vector in IRR that may be delivered now, or -1. */
  #deliverable(): number {
    const vector = this.irr.highest();
    return vector >= 0 && vector >>> 4 > this.processorPriority >>> 4 ? vector : -1;
  }

  /** The 8259's request passes by all priorities. */
  #externalPending(): boolean {
    if (!this.globallyEnabled) return this.#lint0Level;
    if (this.#extIntMessage) return true;
    return this.#lint0Level && (this.#lvt(LVT_LINT0) & (LVT_MASKED | 0x700)) === DELIVERY_EXTINT << 8;
  }

  #update(): void {
    const pending = (this.globallyEnabled && this.#deliverable() >= 0) || this.#externalPending();
    const raised = pending && !this.pending;
    this.pending = pending;
    if (raised) this.#notify();
  }

  #raiseNmi(): void {
    this.nmiPending = true;
    this.#notify();
  }

  #deliverLvt(index: number): void {
    const entry = this.#lvt(index);
    if ((entry & LVT_MASKED) !== 0) return;
    // Timer and error entries have no delivery mode: the mask keeps those bits zero, which is Fixed.
    this.receive((entry >>> 8) & 7, entry & 0xff, false);
  }

  #setLint(index: number, level: boolean): void {
    const was = index === LVT_LINT0 ? this.#lint0Level : this.#lint1Level;
    if (index === LVT_LINT0) this.#lint0Level = level;
    else this.#lint1Level = level;
    if (!this.globallyEnabled) {
      if (index === LVT_LINT1 && level && !was) this.#raiseNmi();
    } else if (level && !was) {
      this.#deliverLint(index);
    }
    this.#update();
  }

  /** The pin rose. ExtINT is not an event but a level, which `#externalPending` looks at. */
  #deliverLint(index: number): void {
    const entry = this.#lvt(index);
    const mode = (entry >>> 8) & 7;
    if ((entry & LVT_MASKED) !== 0 || mode === DELIVERY_EXTINT) return;
    if (mode === DELIVERY_FIXED && (entry & LVT_LEVEL) !== 0) this.#deliverHeldLint(index);
    else this.receive(mode, entry & 0xff, false);
  }

  /** A level-triggered pin that is high delivers again whenever nothing stands against it. */
  #deliverHeldLint(index: number): void {
    const entry = this.#lvt(index);
    const fixedAndLevel = (entry & (0x700 | LVT_LEVEL)) === LVT_LEVEL;
    if (!fixedAndLevel || (entry & (LVT_MASKED | LVT_REMOTE_IRR)) !== 0) return;
    if (this.#accept(entry & 0xff, true)) this.lvt[index] = entry | LVT_REMOTE_IRR;
  }

  #endOfLevel(vector: number): void {
    for (const index of [LVT_LINT0, LVT_LINT1]) {
      const entry = this.#lvt(index);
      if ((entry & LVT_REMOTE_IRR) === 0 || (entry & 0xff) !== vector) continue;
      this.lvt[index] = entry & ~LVT_REMOTE_IRR;
      if (index === LVT_LINT0 ? this.#lint0Level : this.#lint1Level) this.#deliverHeldLint(index);
    }
    this.bus.endOfInterrupt(vector);
  }
}

import type { Disposable, Gpa } from "./addresses.ts";
import type { IoRegion } from "./memory.ts";

/**
 * State is plain, named, structured-cloneable data. A snapshot is untrusted input: `restore` validates.
 * @throws SnapshotError from `restore`, before anything was changed.
 */
export interface Stateful<S> {
  save(): S;
  restore(state: S): void;
}

/** A device. IrqLine, GuestMemory, Clock and backends come in through its factory; nothing is looked up. */
export interface Device<S = unknown> extends Stateful<S> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  /** Power-on or bus reset; keeps backends and mappings. */
  reset(): void;
}

/** One wire, level-triggered. The holder knows neither the controller nor the number at the other end. */
export interface IrqLine {
  set(level: boolean): void;
}

/** Where message-signalled interrupts are written. */
export interface MsiTarget {
  signal(address: Gpa, data: number): void;
}

/**
 * The CPU's end of interrupts: INTR pin, acknowledge cycle, NMI, CR8, and the MSRs that live in the local APIC.
 * LAPIC (with the PIC behind its LINT0) or a bare PIC; the board hands it to the vCPU.
 */
export interface InterruptPort {
  /** INTR: a maskable interrupt would be delivered if RFLAGS.IF allowed it. */
  readonly pending: boolean;
  /** The acknowledge cycle: the vector to deliver; moves it from IRR to ISR. */
  acknowledge(): number;
  /** NMI pin, edge; reading does not clear it. */
  readonly nmiPending: boolean;
  /** Takes the pending NMI. */
  acknowledgeNmi(): void;
  /** CR8: task priority bits 7:4 of TPR, 0..15. */
  tpr: number;
  /** An MSR of the local APIC (IA32_APIC_BASE 0x1b, IA32_TSC_DEADLINE 0x6e0, x2APIC 0x800-0x8ff); undefined: #GP. */
  readMsr(index: number): bigint | undefined;
  /** False: #GP. */
  writeMsr(index: number, value: bigint): boolean;
  /** The guest moved its time-stamp counter: it is now `ticks` ahead of the clock. For a timer that counts by it. */
  timeStampMoved?(ticks: number): void;
  /** Tells the vCPU that `pending` or `nmiPending` became true; set by the vCPU. */
  onRaise(notify: () => void): void;
}

/** Guest time in nanoseconds since power-on; stands still while paused. The only time source below the frontends. */
export interface Clock {
  /** Nanoseconds since power-on, never decreasing. */
  now(): number;
  /** Calls `fire` once when `now()` has reached `deadlineNs`; in the past: at the next opportunity, never inside `arm`. */
  arm(deadlineNs: number, fire: () => void): Disposable;
}

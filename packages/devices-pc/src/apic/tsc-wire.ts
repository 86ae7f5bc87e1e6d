import type { Clock } from "@tsvm/contracts";

/** The time-stamp counter of the CPU an APIC belongs to, for the TSC-deadline mode of its timer. */
export interface TscWire {
  /** The counter now, in whole ticks; exact up to 2^53. */
  now(): number;
  /** Guest time in nanoseconds at which the counter reaches `ticks`; may lie in the past. */
  deadlineNs(ticks: number): number;
}

/**
 * A counter of `hz` ticks a second that was zero at power-on.
 * @param offset what the guest added by writing IA32_TIME_STAMP_COUNTER or IA32_TSC_ADJUST, in ticks
 */
export function createTscWire(clock: Clock, hz: number, offset: () => number = () => 0): TscWire {
  return {
    now: () => Math.floor((clock.now() * hz) / 1e9) + offset(),
    deadlineNs: (ticks) => Math.ceil(((ticks - offset()) * 1e9) / hz),
  };
}

import type { Clock } from "@tsvm/contracts";

/** A {@link Clock} as the run loop drives it. Starts paused at 0; `Machine.run` resumes it and pauses it again. */
export interface MachineClock extends Clock {
  resume(): void;
  pause(): void;
  /** Deadline of the earliest timer; Infinity when none is armed. */
  readonly nextDeadlineNs: number;
  /** Fires the timers that are due. Timers they arm wait for the next call. */
  fireDue(): void;
  /** `notify` is called when a timer is armed that is due before all others: the slice being run is too long. */
  onEarlier(notify: () => void): void;
  /** Guest instructions that make a nanosecond; undefined when time does not depend on them. */
  readonly instructionsPerNs: number | undefined;
  /** Where a clock that counts instructions reads how many have retired. */
  follow(retired: () => number): void;
  /**
   * All vCPUs wait. A clock that can jumps to `nextDeadlineNs` and answers true; else the caller has to sleep. False
   * also when no timer is armed.
   */
  skipIdle(): boolean;
}

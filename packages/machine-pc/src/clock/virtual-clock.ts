import { ConfigError } from "@tsvm/contracts";
import type { MachineClock } from "./machine-clock.ts";
import { createTimerQueue } from "./timer-queue.ts";

export interface VirtualClockOptions {
  /** One instruction takes 2^shift nanoseconds, as QEMU's `-icount shift=`; 0..10, 0 by default. */
  readonly shift?: number;
}

/**
 * Guest time counted in retired instructions: the same input gives the same run, instruction by instruction. While the
 * guest waits in HLT, time jumps to the next timer.
 * @throws ConfigError `CONFIG_CLOCK` if `shift` is out of range.
 */
export function createVirtualClock(options: VirtualClockOptions = {}): MachineClock {
  const { shift = 0 } = options;
  if (!Number.isInteger(shift) || shift < 0 || shift > 10) {
    throw new ConfigError("CONFIG_CLOCK", `icount shift must be 0 to 10, not ${shift}`);
  }
  const nsPerInstruction = 2 ** shift;
  const timers = createTimerQueue();
  let retired = (): number => 0;
  /** Time gained by jumps. */
  let skippedNs = 0;

  const now = (): number => skippedNs + retired() * nsPerInstruction;
  return {
    now,
    arm: (deadlineNs, fire) => timers.arm(deadlineNs, fire),
    // No instruction retires in a paused machine: time stands still by itself.
    resume: () => {},
    pause: () => {},
    get nextDeadlineNs() {
      return timers.nextDeadlineNs;
    },
    fireDue: () => timers.fireDue(now()),
    onEarlier: (notify) => timers.onEarlier(notify),
    instructionsPerNs: 1 / nsPerInstruction,
    follow(source) {
      skippedNs = now() - source() * nsPerInstruction;
      retired = source;
    },
    skipIdle() {
      const ahead = timers.nextDeadlineNs - now();
      if (ahead === Number.POSITIVE_INFINITY) return false;
      if (ahead > 0) skippedNs += ahead;
      return true;
    },
  };
}

import type { MachineClock } from "./machine-clock.ts";
import { createTimerQueue } from "./timer-queue.ts";

/** The host's time source. */
export interface MonotonicSource {
  /** Nanoseconds since an arbitrary moment. Should not go back; if it does, guest time stands still until it has caught up. */
  monotonicNs(): number;
}

/** Guest time that runs as fast as the host's, while not paused. */
export function createRealTimeClock(host: MonotonicSource): MachineClock {
  const timers = createTimerQueue();
  /** Guest time = host time - skew, while running. */
  let skewNs = 0;
  let running = false;
  /** The latest guest time anybody was told, and guest time while paused. */
  let latestNs = 0;

  function now(): number {
    if (running) {
      const ns = host.monotonicNs() - skewNs;
      if (ns > latestNs) latestNs = ns;
    }
    return latestNs;
  }

  return {
    now,
    arm: (deadlineNs, fire) => timers.arm(deadlineNs, fire),
    resume() {
      if (running) return;
      skewNs = host.monotonicNs() - latestNs;
      running = true;
    },
    pause() {
      now();
      running = false;
    },
    get nextDeadlineNs() {
      return timers.nextDeadlineNs;
    },
    fireDue: () => timers.fireDue(now()),
    onEarlier: (notify) => timers.onEarlier(notify),
    instructionsPerNs: undefined,
    follow: () => {},
    skipIdle: () => false,
  };
}

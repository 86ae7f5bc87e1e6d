import type { Clock, Disposable } from "@tsvm/contracts";

/** Beyond this a double no longer counts nanoseconds one by one: 104 days, which no deadline of a guest means. */
const FARTHEST_NS = Number.MAX_SAFE_INTEGER;
/** How far a periodic signal may fall behind before the missed periods are dropped, in seconds. */
const CATCH_UP = 0.05;
/** Periods shorter than this are lumped together, in seconds: a period of one tick must not stop the host. */
const SHORTEST = 20e-6;

/** The one deadline a counter waits for; setting it again moves it. */
export interface Alarm {
  /** Rings once when guest time has reached `deadlineNs`, never inside this call. One out of range never rings. */
  set(deadlineNs: number): void;
  cancel(): void;
}

export function createAlarm(clock: Clock, ring: () => void): Alarm {
  let armed: Disposable | undefined;

  function fire(): void {
    armed = undefined;
    ring();
  }

  function cancel(): void {
    armed?.dispose();
    armed = undefined;
  }

  return {
    set(deadlineNs: number): void {
      cancel();
      if (Math.abs(deadlineNs) <= FARTHEST_NS) armed = clock.arm(deadlineNs, fire);
    },
    cancel,
  };
}

/**
 * When a signal with this period, that was due at `due`, is due next. A host that was busy is caught up one period at a
 * time, since guests count ticks; what is more than 50 ms late is dropped, so that a slow host does not drown the guest.
 * @param hz units of the three times in a second; nanoseconds if left out
 */
export function nextDue(due: number, period: number, now: number, hz = 1e9): number {
  const shortest = SHORTEST * hz;
  const step = period >= shortest ? period : Math.ceil(shortest / period) * period;
  const next = due + step;
  if (next > now - CATCH_UP * hz) return next;
  return due + (Math.floor((now - due) / step) + 1) * step;
}

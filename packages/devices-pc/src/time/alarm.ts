import type { Clock, Disposable } from "@tsvm/contracts";

/** Beyond this a double no longer counts nanoseconds one by one: 104 days, which no deadline of a guest means. */
const FARTHEST_NS = Number.MAX_SAFE_INTEGER;
/** How far a periodic signal may fall behind before the missed periods are dropped. */
const CATCH_UP_NS = 50_000_000;

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
 * When a signal of `periodNs` that was due at `dueNs` is due next. A host that was busy is caught up one period at a
 * time, since guests count ticks; what is more than 50 ms late is dropped, so that a slow host does not drown the guest.
 */
export function nextDue(dueNs: number, periodNs: number, nowNs: number): number {
  const next = dueNs + periodNs;
  if (next > nowNs - CATCH_UP_NS) return next;
  return dueNs + (Math.floor((nowNs - dueNs) / periodNs) + 1) * periodNs;
}

import type { Clock, Disposable } from "@tsvm/contracts";

/** A {@link Clock} that moves only when the test says so. */
export interface FakeClock extends Clock {
  /** Moves time on by `ns`, firing every deadline on the way at its own time, earliest first. */
  advance(ns: number): void;
  /** Moves time on without firing anything, as when the host was busy; the next `advance` fires what is late. */
  stall(ns: number): void;
  /** Deadlines armed and not yet fired or disposed, earliest first. */
  readonly deadlines: readonly number[];
}

interface Alarm {
  readonly deadlineNs: number;
  readonly fire: () => void;
}

/** More deadlines than this in one `advance` mean that a device re-arms in the past for ever. */
const FIRE_LIMIT = 1_000_000;

export function createFakeClock(startNs = 0): FakeClock {
  let now = startNs;
  let alarms: Alarm[] = [];

  const remove = (alarm: Alarm): void => {
    alarms = alarms.filter((other) => other !== alarm);
  };

  return {
    now: () => now,
    arm(deadlineNs: number, fire: () => void): Disposable {
      if (!Number.isFinite(deadlineNs)) throw new Error(`armed for ${deadlineNs} ns`);
      const alarm = { deadlineNs, fire };
      alarms = [...alarms, alarm].sort((a, b) => a.deadlineNs - b.deadlineNs);
      return { dispose: () => remove(alarm) };
    },
    advance(ns: number): void {
      const end = now + ns;
      for (let fired = 0; ; fired++) {
        const next = alarms[0];
        if (next === undefined || next.deadlineNs > end) break;
        if (fired > FIRE_LIMIT) throw new Error(`more than ${FIRE_LIMIT} deadlines in ${ns} ns`);
        remove(next);
        now = Math.max(now, next.deadlineNs);
        next.fire();
      }
      now = end;
    },
    stall(ns: number): void {
      now += ns;
    },
    get deadlines() {
      return alarms.map((alarm) => alarm.deadlineNs);
    },
  };
}

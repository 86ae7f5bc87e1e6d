import type { Disposable } from "@tsvm/contracts";

/**
 * Armed timers in the order in which they are due; equal deadlines in the order of arming.
 *
 * A machine keeps about ten timers armed and re-arms them thousands of times a second: a sorted array beats a heap.
 */
export interface TimerQueue {
  /** Deadline of the first timer; Infinity when none is armed. */
  readonly nextDeadlineNs: number;
  arm(deadlineNs: number, fire: () => void): Disposable;
  /** Fires every timer due at `nowNs`, except those armed by the ones fired: a timer that re-arms itself in the past cannot hold up the machine. */
  fireDue(nowNs: number): void;
  /** `notify` is called from `arm` when the new timer is due before all others. */
  onEarlier(notify: () => void): void;
}

export function createTimerQueue(): TimerQueue {
  return new SortedTimers();
}

class Timer implements Disposable {
  readonly deadlineNs: number;
  readonly sequence: number;
  readonly fire: () => void;
  readonly #queue: SortedTimers;

  constructor(queue: SortedTimers, deadlineNs: number, sequence: number, fire: () => void) {
    this.#queue = queue;
    this.deadlineNs = deadlineNs;
    this.sequence = sequence;
    this.fire = fire;
  }

  dispose(): void {
    this.#queue.remove(this);
  }
}

class SortedTimers implements TimerQueue {
  /** Latest deadline first, so that taking the next timer is a pop. */
  readonly #timers: Timer[] = [];
  #sequence = 0;
  #notify: () => void = () => {};

  get nextDeadlineNs(): number {
    return this.#timers.at(-1)?.deadlineNs ?? Number.POSITIVE_INFINITY;
  }

  arm(deadlineNs: number, fire: () => void): Disposable {
    const earlier = deadlineNs < this.nextDeadlineNs;
    const timer = new Timer(this, deadlineNs, this.#sequence++, fire);
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1] as Timer).deadlineNs <= deadlineNs) at--;
    this.#timers.splice(at, 0, timer);
    if (earlier) this.#notify();
    return timer;
  }

  fireDue(nowNs: number): void {
    const newest = this.#sequence;
    let timer = this.#firstArmedBefore(newest, nowNs);
    while (timer !== undefined) {
      this.remove(timer);
      timer.fire();
      timer = this.#firstArmedBefore(newest, nowNs);
    }
  }

  onEarlier(notify: () => void): void {
    this.#notify = notify;
  }

  remove(timer: Timer): void {
    const at = this.#timers.lastIndexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  #firstArmedBefore(sequence: number, nowNs: number): Timer | undefined {
    for (let i = this.#timers.length - 1; i >= 0; i--) {
      const timer = this.#timers[i] as Timer;
      if (timer.deadlineNs > nowNs) return undefined;
      if (timer.sequence < sequence) return timer;
    }
    return undefined;
  }
}

import type { MachineStop, Vcpu } from "@tsvm/contracts";
import type { MachineClock } from "../clock/machine-clock.ts";

/** What the run loop needs of the host; the frontend has it, so that no package below knows an event loop. */
export interface MachineHost {
  /** Nanoseconds since an arbitrary moment, never decreasing. */
  monotonicNs(): number;
  /** Resolves after the event loop had a turn: input and finished I/O get through. */
  yieldToHost(): Promise<void>;
  /** Begins a sleep of `ms` milliseconds (fractions may be rounded up); Infinity: until woken. */
  sleep(ms: number): HostSleep;
}

export interface HostSleep {
  /** Resolves when the time is over or after `wake`. */
  readonly done: Promise<void>;
  /** Ends the sleep early; later calls do nothing. */
  wake(): void;
}

export interface RunLoop {
  /** Runs until somebody calls `stop`, or the vCPU ends by itself. */
  run(): Promise<MachineStop>;
  /** Ends `run` with `why`; the first reason counts. Before `run`, it ends that run at once. */
  stop(why: MachineStop): void;
  /** An interrupt was raised, or an event that wakes: a halted vCPU, or a machine asleep, is looked at again. */
  wake(): void;
}

/** Suspend to RAM, as the run loop sees it. */
export interface Suspension {
  /** The vCPU is not to run; timers and the host's events go on. */
  readonly asleep: boolean;
  /** Wakes the machine if something asks for that. @returns whether it did */
  wakeIfDue(): boolean;
}

export interface RunLoopOptions {
  readonly vcpu: Vcpu;
  readonly clock: MachineClock;
  readonly host: MachineHost;
  readonly suspension: Suspension;
}

/** Longest stretch of guest time between two looks at the timers. */
const SLICE_NS = 1_000_000;
/** Longest stretch of host time without a turn for the event loop. */
const TURN_NS = 4_000_000;
/** Shorter waits than this are spent in turns of the event loop: host timers are no finer than a millisecond. */
const SPIN_NS = 200_000;
/** Fewest instructions worth entering the vCPU for, when time does not hang on their number. */
const BUDGET_MIN = 2_000;
const BUDGET_MAX = 4_000_000;
/** Instructions per nanosecond assumed until measured. */
const RATE_GUESS = 0.05;

export function createRunLoop(options: RunLoopOptions): RunLoop {
  const { vcpu, clock, host, suspension } = options;
  let stopped: MachineStop | undefined;
  let woken = false;
  let asleep: HostSleep | undefined;
  let turnEndsNs = 0;
  let rate = RATE_GUESS;
  let inSlice = false;

  // A timer due before the end of the slice being run makes that slice too long.
  clock.onEarlier(() => {
    if (inSlice) vcpu.kick();
  });
  clock.follow(() => vcpu.instructionCount);

  function planBudget(): number {
    const ns = Math.min(clock.nextDeadlineNs - clock.now(), SLICE_NS);
    const fixed = clock.instructionsPerNs;
    if (fixed !== undefined) return Math.max(1, Math.ceil(ns * fixed));
    return Math.min(Math.max(Math.ceil(ns * rate), BUDGET_MIN), BUDGET_MAX);
  }

  /** Follows the guest's speed, so that a slice lasts as long as planned. */
  function measure(instructions: number, ns: number): void {
    if (instructions >= BUDGET_MIN && ns > 0) rate += (instructions / ns - rate) / 8;
  }

  /** One slice; true when the vCPU waits for an interrupt. */
  function runSlice(): boolean {
    const startNs = host.monotonicNs();
    const startCount = vcpu.instructionCount;
    inSlice = true;
    const exit = vcpu.run(planBudget());
    inSlice = false;
    switch (exit.reason) {
      case "hlt":
        return true;
      case "intr":
        measure(vcpu.instructionCount - startCount, host.monotonicNs() - startNs);
        return false;
      case "shutdown":
        stop({ reason: "crash" });
        return false;
      case "fail-entry":
        fail(`the vCPU cannot be entered: hardware reason ${exit.hardwareReason}`);
        return false;
      case "internal-error":
        fail(exit.detail);
        return false;
    }
  }

  const fail = (detail: string): void => stop({ reason: "internal-error", detail });

  async function turn(): Promise<void> {
    await host.yieldToHost();
    turnEndsNs = host.monotonicNs() + TURN_NS;
  }

  /** Nothing to run: until the next timer, or until woken. */
  async function idle(): Promise<void> {
    if (clock.skipIdle()) return;
    const ns = clock.nextDeadlineNs - clock.now();
    if (ns <= 0) return;
    if (ns < SPIN_NS) return turn();
    asleep = host.sleep(ns / 1e6);
    await asleep.done;
    asleep = undefined;
    turnEndsNs = host.monotonicNs() + TURN_NS;
  }

  function wake(): void {
    woken = true;
    asleep?.wake();
  }

  function stop(why: MachineStop): void {
    stopped ??= why;
    vcpu.kick();
    wake();
  }

  async function run(): Promise<MachineStop> {
    clock.resume();
    turnEndsNs = host.monotonicNs() + TURN_NS;
    while (stopped === undefined) {
      // Cleared first: a wake-up from here on, by a timer or by the guest itself, must survive until the check below.
      woken = false;
      clock.fireDue();
      const waits = suspension.asleep ? !suspension.wakeIfDue() : runSlice();
      if (waits && !woken) await idle();
      if (host.monotonicNs() >= turnEndsNs) await turn();
    }
    clock.pause();
    const why = stopped;
    stopped = undefined;
    return why;
  }

  return { run, stop, wake };
}

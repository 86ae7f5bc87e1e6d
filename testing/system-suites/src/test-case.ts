/** For a whole system that works for minutes, or a quarter of an hour, with a processor for itself; a loaded machine takes longer. */
export const WHOLE_SYSTEM_TIMEOUT_S = 3600;

/** One whole machine and how its run is judged. */
export interface TestCase {
  readonly suite: string;
  readonly name: string;
  /** What the guest is, in QEMU's options, with everything but the engine. */
  readonly args: readonly string[];
  readonly timeoutS: number;
  /** The machine is stopped as soon as the output has this. */
  readonly until?: RegExp;
  /** What is typed when the output has `after`, in this order. */
  readonly typing?: readonly Keystrokes[];
  /** What the run comes to. */
  judge(run: GuestRun): Verdict;
}

/** Text for the guest's console. */
export interface Keystrokes {
  readonly after: RegExp;
  readonly text: string;
}

/** What a machine left behind. */
export interface GuestRun {
  /** Both streams, without carriage returns. */
  readonly output: string;
  /** Undefined: a signal ended it, or we did. */
  readonly exitCode: number | undefined;
  readonly timedOut: boolean;
  /** Of the CPU, where the host tells; else of the clock. */
  readonly seconds: number;
}

/** Sub-tests of a run. */
export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  /** What failed, in the suite's own words. */
  readonly failures: readonly string[];
}

import type { HostSleep, MachineHost } from "@tsvm/machine-pc";

/** What is used of an engine's globals; each is found at run time, because no two hosts have all of them. */
export interface HostGlobals {
  readonly performance?: { now(): number };
  readonly setTimeout: (callback: () => void, ms: number) => unknown;
  readonly clearTimeout: (handle: never) => void;
  /** Node, Deno, Bun. */
  readonly setImmediate?: (callback: () => void) => unknown;
  /** Browsers and their workers. */
  readonly MessageChannel?: new () => {
    readonly port1: { onmessage: ((event: never) => void) | null };
    readonly port2: { postMessage(message: unknown): void };
  };
}

/** setTimeout takes a signed 32-bit number and fires at once beyond it. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Browsers let a timer that was started from a timer take at least so long: HTML, "Timers". */
const STRETCHED_MS = 4;

/** Time, turns of the event loop and sleep from the engine's own globals. */
export function createDefaultHost(globals: HostGlobals = globalThis as unknown as HostGlobals): MachineHost {
  const turn = eventLoopTurn(globals);
  const stretches = globals.setImmediate === undefined && globals.MessageChannel !== undefined;
  return {
    monotonicNs: monotonicSource(globals),
    yieldToHost: turn,
    // A guest that sleeps again and again starts each timer from the last; from a message it is not stretched.
    sleep: (ms: number) => startSleep(globals, ms, stretches && ms < STRETCHED_MS ? turn() : undefined),
  };
}

function monotonicSource(globals: HostGlobals): () => number {
  const { performance } = globals;
  if (performance !== undefined) return () => performance.now() * 1e6;
  return () => Date.now() * 1e6;
}

/** The cheapest call that lets input and finished I/O through: a promise alone would starve them. */
function eventLoopTurn(globals: HostGlobals): () => Promise<void> {
  const { setImmediate, MessageChannel, setTimeout } = globals;
  if (setImmediate !== undefined) {
    return () => new Promise((resolve) => void setImmediate(resolve));
  }
  if (MessageChannel === undefined) {
    return () => new Promise((resolve) => void setTimeout(resolve, 0));
  }
  // Browsers stretch nested timers of 0 ms to 4 ms; messages are not stretched.
  const channel = new MessageChannel();
  let waiting: (() => void)[] = [];
  channel.port1.onmessage = () => {
    const resolves = waiting;
    waiting = [];
    for (const resolve of resolves) resolve();
  };
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      channel.port2.postMessage(0);
    });
}

/** Begins when `start` resolves. The timer of an endless sleep stays armed: it tells Node that the program is not over. */
function startSleep(globals: HostGlobals, ms: number, start: Promise<void> | undefined): HostSleep {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let handle: unknown;
  let isOver = false;
  const arm = (): void => {
    if (!isOver) handle = globals.setTimeout(resolve, Math.min(Math.ceil(ms), LONGEST_TIMER_MS));
  };
  if (start === undefined) arm();
  else void start.then(arm);
  const wake = (): void => {
    isOver = true;
    globals.clearTimeout(handle as never);
    resolve();
  };
  return { done, wake };
}

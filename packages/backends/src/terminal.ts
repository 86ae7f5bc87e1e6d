import type { Disposable } from "@tsvm/contracts";

/** What is used of a `tty.ReadStream`. */
export interface TerminalInput {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

/** What is used of the `process` object. */
export interface SignalHost {
  readonly pid: number;
  on(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
  kill(pid: number, signal: string): unknown;
}

/** A terminal in raw mode; `dispose` restores it. */
export interface RawTerminal extends Disposable {
  /** False when the input is no terminal: then nothing was changed. */
  readonly raw: boolean;
}

/** Signals that end a process by default and are sent by people, shells and init systems. */
const DEADLY = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Puts the terminal behind `input` into raw mode: every key, Ctrl-C included, goes to the guest.
 *
 * It is restored by `dispose`, when the process exits (also after an uncaught exception), and before a deadly signal
 * takes its default effect. After a stop and continuation (SIGCONT) raw mode is set again, because shells reset it.
 */
export function enterRawMode(input: TerminalInput, host: SignalHost): RawTerminal {
  if (input.isTTY !== true || input.setRawMode === undefined) return { raw: false, dispose(): void {} };
  let raw = false;
  const set = (on: boolean): void => {
    raw = on;
    try {
      input.setRawMode?.(on);
    } catch {
      // The terminal is gone (its window was closed): there is nothing left to restore.
    }
  };
  const restore = (): void => {
    if (raw) set(false);
  };
  const onContinue = (): void => {
    // The stream remembers that it is raw and would skip the call.
    set(false);
    set(true);
  };
  const handlers = DEADLY.map((signal) => ({
    signal,
    listener: (): void => {
      dispose();
      host.kill(host.pid, signal);
    },
  }));
  const dispose = (): void => {
    restore();
    for (const { signal, listener } of handlers) host.removeListener(signal, listener);
    host.removeListener("SIGCONT", onContinue);
    host.removeListener("exit", restore);
  };

  host.on("exit", restore);
  host.on("SIGCONT", onContinue);
  for (const { signal, listener } of handlers) host.on(signal, listener);
  set(true);
  return { raw: true, dispose };
}

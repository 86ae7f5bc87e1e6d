// A machine behind pipes: what a person at the terminal does, done by a test.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { READY_MARKER } from "@tsvm/guest-images";

/** Where transcripts go; one file per machine, overwritten by the next run. */
const TRANSCRIPTS = join(import.meta.dirname, "../.vitest/boots");

export interface GuestConsole {
  /**
   * Resolves with what the guest printed from the last match up to the end of this one.
   * @throws Error with the last lines of the transcript, if the machine ends or `timeoutMs` passes first.
   */
  waitFor(text: string | RegExp, timeoutMs?: number): Promise<string>;
  /** Types bytes at the keyboard, however busy the guest is. */
  type(text: string): void;
  /** Of the process that was started. */
  readonly pid: number;
  /** The process's exit code; null if a signal ended it. */
  readonly exit: Promise<number | null>;
  /** All that was printed, standard error included. */
  readonly transcript: string;
  /** Ends the process if it still runs, and keeps the transcript as a file. */
  stop(): Promise<void>;
}

export interface ConsoleOptions {
  /** Names the transcript. */
  readonly name: string;
  readonly cwd?: string;
}

/** For the console; emergencies are shown, and the log has everything. */
export const KEEP_KERNEL_QUIET = "dmesg -n 1";
/** The default guest's. */
const PROMPT = "~ # ";

/** Types a command; resolves with what was printed up to the next prompt, the echo of the command included. */
export type Shell = (command: string) => Promise<string>;

/** Waits for the default guest's shell, and has the kernel keep what it says to itself: it would be in the middle of an answer. */
export async function shellOf(guest: GuestConsole): Promise<Shell> {
  await guest.waitFor(READY_MARKER);
  await guest.waitFor(PROMPT);
  const ask: Shell = (command) => {
    guest.type(`${command}\n`);
    return guest.waitFor(PROMPT);
  };
  await ask(KEEP_KERNEL_QUIET);
  return ask;
}

/** Starts `command` with pipes as its terminal. */
export function startConsole(command: string, args: readonly string[], options: ConsoleOptions): GuestConsole {
  const child = spawn(command, args, { cwd: options.cwd, stdio: "pipe" });
  const watchers = new Set<() => void>();
  let transcript = "";
  let taken = 0;
  let ended = false;
  const hear = (text: string): void => {
    transcript += text;
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding("utf8").on("data", hear);
  child.stderr.setEncoding("utf8").on("data", hear);
  // The machine may end while we type; its exit code tells the story.
  child.stdin.on("error", () => {});
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      ended = true;
      hear("");
      resolve(code);
    });
  });

  const waitFor: GuestConsole["waitFor"] = (text, timeoutMs = 120_000) =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        watchers.delete(watcher);
      };
      const fail = (why: string): void => {
        finish();
        reject(new Error(`${why} while waiting for ${text}; it printed last:\n${transcript.slice(-2000)}`));
      };
      const watcher = (): void => {
        const end = endOfMatch(transcript, text, taken);
        if (end < 0) {
          if (ended) fail("the machine ended");
          return;
        }
        const found = transcript.slice(taken, end);
        taken = end;
        finish();
        resolve(found);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      watchers.add(watcher);
      watcher();
    });

  return {
    waitFor,
    // Zero only where the process could not be started, which `exit` rejects for.
    pid: child.pid ?? 0,
    type: (text) => void child.stdin.write(text),
    exit,
    get transcript() {
      return transcript;
    },
    async stop() {
      if (!ended) child.kill("SIGKILL");
      await exit.catch(() => null);
      mkdirSync(TRANSCRIPTS, { recursive: true });
      writeFileSync(join(TRANSCRIPTS, `${options.name}.log`), transcript);
    },
  };
}

/** Index after the first match of `text` at or after `from`, or -1. */
function endOfMatch(transcript: string, text: string | RegExp, from: number): number {
  if (typeof text === "string") {
    const at = transcript.indexOf(text, from);
    return at < 0 ? -1 : at + text.length;
  }
  const match = text.exec(transcript.slice(from));
  return match === null ? -1 : from + match.index + match[0].length;
}

import { type ChildProcess, spawn } from "node:child_process";
import { cpuSecondsOf } from "./cpu-time.ts";
import type { Engine } from "./engines.ts";
import type { GuestRun, Keystrokes, TestCase } from "./test-case.ts";

/** A guest that fails in a loop can say the same for ever. */
const OUTPUT_MAX = 64 << 20;
/** How often the guest's CPU time is looked up: what it used after the last time is lost. */
const LOOK_MS = 200;

/** Runs one test on one engine; leaves no process behind. */
export function runGuest({ args, timeoutS, until, typing = [] }: TestCase, engine: Engine): Promise<GuestRun> {
  const [program = "", ...engineArgs] = engine.command;
  const child = spawn(program, [...engineArgs, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const began = performance.now();
  let cpuSeconds: number | undefined;
  const looking = setInterval(() => {
    cpuSeconds = cpuSecondsOf(child.pid ?? 0) ?? cpuSeconds;
  }, LOOK_MS);
  const transcript = new Transcript(child, typing, until);
  const ending = { timedOut: false };
  const deadline = setTimeout(() => {
    ending.timedOut = true;
    child.kill("SIGKILL");
  }, timeoutS * 1000);
  const killAtExit = (): boolean => child.kill("SIGKILL");
  process.once("exit", killAtExit);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      clearInterval(looking);
      reject(error);
    });
    child.once("close", (code) => {
      clearTimeout(deadline);
      clearInterval(looking);
      process.removeListener("exit", killAtExit);
      resolve({
        output: transcript.text,
        exitCode: code ?? undefined,
        timedOut: ending.timedOut,
        seconds: cpuSeconds ?? (performance.now() - began) / 1000,
      });
    });
  });
}

/** What a guest says, and what is said to it. */
class Transcript {
  text = "";
  readonly #child: ChildProcess;
  readonly #typing: Keystrokes[];
  readonly #until: RegExp | undefined;

  constructor(child: ChildProcess, typing: readonly Keystrokes[], until: RegExp | undefined) {
    this.#child = child;
    this.#typing = [...typing];
    this.#until = until;
    child.stdin?.on("error", () => {}); // It ended before everything was typed.
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("latin1");
      stream?.on("data", (chunk: string) => this.#take(chunk));
    }
  }

  #take(chunk: string): void {
    this.text += chunk.replaceAll("\r", "");
    const [next] = this.#typing;
    if (next?.after.test(this.text)) {
      this.#typing.shift();
      this.#child.stdin?.write(next.text);
    }
    if (this.text.length > OUTPUT_MAX || this.#until?.test(this.text)) this.#child.kill("SIGKILL");
  }
}

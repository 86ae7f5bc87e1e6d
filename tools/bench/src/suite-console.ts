// What the guest suite says on its serial console, as events.

/** One thing the suite says. */
export type SuiteEvent =
  /** The guest's init runs. */
  | { readonly kind: "ready" }
  | { readonly kind: "row-started"; readonly row: string }
  /** `guestS`: seconds by the guest's own clock. */
  | { readonly kind: "row-done"; readonly row: string; readonly guestS: number; readonly checksum: string }
  /** The suite, or the guest's kernel, has trouble; `line` is what it says. */
  | { readonly kind: "trouble"; readonly line: string }
  | { readonly kind: "finished" };

/** Longest line that is kept: what is longer is none of the suite's. */
const MAX_LINE = 4096;
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");
const ROW_DONE = /^BENCH (\S+) (\d+(?:\.\d+)?) (\S+)$/;

/** The event a console line stands for, if any. */
export function parseSuiteLine(line: string): SuiteEvent | undefined {
  const text = line.replace(ESCAPES, "").trim();
  const done = ROW_DONE.exec(text);
  if (done !== null) {
    const [, row = "", guestS, checksum = ""] = done;
    return { kind: "row-done", row, guestS: Number(guestS), checksum };
  }
  const started = /^BENCH-START (\S+)/.exec(text);
  if (started !== null) return { kind: "row-started", row: started[1] as string };
  if (text.startsWith("TSVM-USERLAND-READY")) return { kind: "ready" };
  if (text.startsWith("BENCH-DONE")) return { kind: "finished" };
  if (/^BENCH-(FAIL|ERROR)|Kernel panic|BUG:|Oops/.test(text)) return { kind: "trouble", line: text };
  return undefined;
}

/** Cuts what comes in any pieces into lines, and calls `onEvent` for those that say something. */
export class SuiteConsole {
  readonly #onEvent: (event: SuiteEvent) => void;
  #part = "";

  constructor(onEvent: (event: SuiteEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Bytes of the console; they are not kept. */
  write(bytes: Uint8Array): void {
    const lines = (this.#part + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#part = (lines.pop() as string).slice(-MAX_LINE);
    for (const line of lines) {
      const event = parseSuiteLine(line);
      if (event !== undefined) this.#onEvent(event);
    }
  }
}

import type { Chardev, Disposable } from "@tsvm/contracts";
import { createInputQueue, INPUT_LIMIT, type InputQueue } from "./input-queue.ts";

/** Ctrl-A. */
export const ESCAPE_KEY = 0x01;

/** Called with what followed the escape key; `port` is the one that has the focus. */
export interface MuxKeys {
  /** x: end the program. */
  quit(): void;
  /** b: a break condition on the line. */
  break?(port: number): void;
}

/** One console shared by several chardevs: the serial port of the guest and the monitor. */
export interface MuxOptions {
  /** The console, for example a stdio chardev. */
  readonly console: Chardev;
  /** Names of the ports, for the note printed when the focus moves. Port 0 has the focus first. */
  readonly ports: readonly string[];
  readonly keys: MuxKeys;
  /** Default {@link ESCAPE_KEY}. */
  readonly escape?: number;
}

/** The ports of a multiplexed console, as QEMU's `mon:stdio`. */
export interface ConsoleMux extends Disposable {
  /** One chardev per name, in order. All may write at any time; only the one with the focus gets input. */
  readonly ports: readonly Chardev[];
  /** Index of the port that gets input. */
  readonly focused: number;
  /** Moves the focus. */
  focus(port: number): void;
}

/** Bytes taken from the console at a time. */
const CHUNK = 4096;

/**
 * Splits a console's input at the escape key: `x` quits, `c` moves the focus to the next port, `b` sends a break, `h`
 * or `?` prints help, and the escape key twice sends itself. Other keys after it are dropped, as QEMU does.
 *
 * Input is taken from the console as it comes and not when the guest asks, or an escape behind unread input would never
 * be seen; it waits per port, up to {@link INPUT_LIMIT} bytes, then in the console.
 */
export function createConsoleMux(options: MuxOptions): ConsoleMux {
  const { console, keys } = options;
  const escapeKey = options.escape ?? ESCAPE_KEY;
  const encoder = new TextEncoder();
  let focused = 0;
  let escaped = false;
  let held = false;

  const queues: InputQueue[] = options.ports.map(() =>
    createInputQueue({
      limit: INPUT_LIMIT,
      onFull: () => {
        held = true;
      },
      onRoom: () => {
        held = false;
        queueMicrotask(pull);
      },
    }),
  );
  const print = (text: string): void => console.write(encoder.encode(text));
  const focus = (port: number): void => {
    if (port === focused || options.ports[port] === undefined) return;
    focused = port;
    print(`\r\n[${options.ports[port]}]\r\n`);
  };
  const deliver = (bytes: Uint8Array): void => (queues[focused] as InputQueue).push(bytes);

  const commands: Readonly<Record<string, () => void>> = {
    x: () => keys.quit(),
    c: () => focus((focused + 1) % options.ports.length),
    b: () => keys.break?.(focused),
    h: () => print(helpText(escapeKey)),
    "?": () => print(helpText(escapeKey)),
  };
  const command = (key: number): void => {
    if (key === escapeKey) deliver(Uint8Array.of(escapeKey));
    else commands[String.fromCharCode(key).toLowerCase()]?.();
  };

  const accept = (bytes: Uint8Array): void => {
    let start = 0;
    if (escaped && bytes.length > 0) {
      escaped = false;
      command(bytes[start++] as number);
    }
    for (let at = bytes.indexOf(escapeKey, start); at >= 0; at = bytes.indexOf(escapeKey, start)) {
      if (at > start) deliver(bytes.subarray(start, at));
      start = at + 2;
      if (at + 1 < bytes.length) command(bytes[at + 1] as number);
      else escaped = true;
    }
    if (start < bytes.length) deliver(bytes.subarray(start));
  };

  const pull = (): void => {
    while (!held) {
      const bytes = console.read(CHUNK);
      accept(bytes);
      if (bytes.length < CHUNK) return;
    }
  };
  const subscription = console.onInput(pull);

  return {
    ports: queues.map((queue) => ({
      write: (bytes: Uint8Array) => console.write(bytes),
      read: (max: number) => queue.read(max),
      onInput: (sink: () => void) => queue.onInput(sink),
    })),
    get focused(): number {
      return focused;
    },
    focus,
    dispose: () => subscription.dispose(),
  };
}

function helpText(escapeKey: number): string {
  const name = `C-${String.fromCharCode(escapeKey + 0x60)}`;
  const rows = [
    ["h", "print this help"],
    ["x", "exit the emulator"],
    ["b", "send break"],
    ["c", "switch between console and monitor"],
    [name, `send ${name}`],
  ];
  return `\r\n${rows.map(([key, help]) => `${name} ${key?.padEnd(4)} ${help}\r\n`).join("")}`;
}

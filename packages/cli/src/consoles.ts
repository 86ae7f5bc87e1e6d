import {
  type BufferedChardev,
  createConsoleMux,
  createMonitor,
  createNullChardev,
  type MonitorCommand,
} from "@tsvm/backends";
import type { Chardev, Disposable } from "@tsvm/contracts";
import type { CliIo } from "./cli-io.ts";
import type { ConsolePlan, PlannedChardev } from "./console-plan.ts";

/** The machine's character streams, opened. */
export interface Consoles extends Disposable {
  readonly serial: readonly Chardev[];
  readonly debugConsole: Chardev | undefined;
  /** Of the devices, by the names in the plan. */
  readonly devices: Readonly<Record<string, Chardev>>;
  /** Connects the monitor and the keys to a machine; before that, what is typed into the monitor waits. */
  connect(commands: readonly MonitorCommand[], sendBreak: (serialPort: number) => void): void;
  /** Resolves when the host has taken all output. */
  flush(): Promise<void>;
}

/** What the person or the host on the other end did. */
export interface ConsoleEvents {
  /** Ctrl-A x, or Ctrl-C where it is not for the guest. */
  readonly onQuit: () => void;
  /** Nobody reads the output any more. */
  readonly onOutputLost: () => void;
}

/**
 * Opens what `plan` says, and waits for those who have to connect first.
 * @throws BackendError (as a rejection) if one cannot be opened; then nothing stays open.
 */
export async function openConsoles(plan: ConsolePlan, io: CliIo, events: ConsoleEvents): Promise<Consoles> {
  const streams = new OpenStreams(plan, io, events);
  try {
    await streams.open();
  } catch (error) {
    streams.dispose();
    throw error;
  }
  return streams;
}

class OpenStreams implements Consoles {
  readonly #plan: ConsolePlan;
  readonly #io: CliIo;
  readonly #events: ConsoleEvents;
  readonly #opened: BufferedChardev[] = [];
  readonly #lines = new Map<string, Chardev>();
  /** One for each stream that the monitor is at. */
  readonly #monitors: Chardev[] = [];
  #sendBreak = (_serialPort: number): void => {};

  constructor(plan: ConsolePlan, io: CliIo, events: ConsoleEvents) {
    this.#plan = plan;
    this.#io = io;
    this.#events = events;
  }

  async open(): Promise<void> {
    const isStdio = ({ spec }: PlannedChardev): boolean => spec.kind === "stdio";
    const { chardevs } = this.#plan;
    // The terminal last: where another stream cannot be opened, it was never touched, and Ctrl-C ends the waiting.
    for (const planned of [...chardevs.filter((one) => !isStdio(one)), ...chardevs.filter(isStdio)]) {
      this.#plug(planned, await this.#openOne(planned));
    }
  }

  get serial(): readonly Chardev[] {
    return this.#plan.serial.map((line) => this.#lines.get(line) as Chardev);
  }

  get debugConsole(): Chardev | undefined {
    const line = this.#plan.debugConsole;
    return line === undefined ? undefined : this.#lines.get(line);
  }

  get devices(): Readonly<Record<string, Chardev>> {
    return Object.fromEntries(this.#plan.deviceLines.map((line) => [line, this.#lines.get(line) as Chardev]));
  }

  connect(commands: readonly MonitorCommand[], sendBreak: (serialPort: number) => void): void {
    this.#sendBreak = sendBreak;
    for (const chardev of this.#monitors) createMonitor({ chardev, commands });
  }

  async flush(): Promise<void> {
    await Promise.all(this.#opened.map((chardev) => chardev.flush()));
  }

  dispose(): void {
    for (const chardev of this.#opened) chardev.dispose();
  }

  async #openOne({ label, spec, mux }: PlannedChardev): Promise<Chardev> {
    const { onOutputLost, onQuit } = this.#events;
    switch (spec.kind) {
      case "null":
        return createNullChardev();
      case "stdio":
        // Behind an escape key, Ctrl-C is the guest's.
        return this.#keep(this.#io.openStdio({ onOutputLost, ...(!mux && { onInterrupt: onQuit }) }));
      default: {
        const { chardev, path, connection } = await this.#io.openChardev(spec);
        this.#keep(chardev);
        if (path !== undefined) this.#io.complain(`tsvm: char device redirected to ${path} (label ${label})\n`);
        if (connection === undefined) return chardev;
        this.#io.complain(`tsvm: ${label} waits for a connection at ${connection.where}\n`);
        await connection.made;
        return chardev;
      }
    }
  }

  #keep(chardev: BufferedChardev): BufferedChardev {
    this.#opened.push(chardev);
    return chardev;
  }

  #plug({ lines, mux }: PlannedChardev, chardev: Chardev): void {
    const ends = mux ? this.#share(lines, chardev) : [chardev];
    for (const [i, line] of lines.entries()) {
      if (line === "monitor") this.#monitors.push(ends[i] as Chardev);
      else this.#lines.set(line, ends[i] as Chardev);
    }
  }

  #share(lines: readonly string[], console: Chardev): readonly Chardev[] {
    const sendBreak = (port: number): void => {
      const serialPort = this.#plan.serial.indexOf(lines[port] ?? "");
      if (serialPort >= 0) this.#sendBreak(serialPort);
    };
    const keys = { quit: this.#events.onQuit, break: sendBreak };
    return createConsoleMux({ console, ports: lines, keys }).ports;
  }
}

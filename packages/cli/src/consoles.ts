import {
  type BufferedChardev,
  createConsoleMux,
  createMonitor,
  createNullChardev,
  type MonitorCommand,
} from "@tsvm/backends";
import type { Chardev, Disposable } from "@tsvm/contracts";
import type { CliIo } from "./cli-io.ts";
import type { CharacterTarget } from "./command-line/cli-config.ts";
import type { ConsolePlan } from "./console-plan.ts";

/** The machine's character streams, opened. */
export interface Consoles extends Disposable {
  readonly serial: readonly Chardev[];
  readonly debugConsole: Chardev | undefined;
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
 * Opens what `plan` says.
 * @throws BackendError if a file cannot be created; then nothing stays open.
 */
export function openConsoles(plan: ConsolePlan, io: CliIo, events: ConsoleEvents): Consoles {
  const opened: BufferedChardev[] = [];
  let monitor: Chardev | undefined;
  const keep = (chardev: BufferedChardev): BufferedChardev => {
    opened.push(chardev);
    return chardev;
  };
  let breakLine = (_serialPort: number): void => {};
  const serialPort = plan.serial.findIndex(({ kind }) => kind === "mon-stdio");
  const openMux = (): Chardev => {
    const console = keep(io.openStdio({ onOutputLost: events.onOutputLost }));
    const mux = createConsoleMux({
      console,
      ports: [`serial${serialPort}`, "monitor"],
      keys: { quit: events.onQuit, break: (port) => port === 0 && breakLine(serialPort) },
    });
    monitor = mux.ports[1];
    return mux.ports[0] as Chardev;
  };
  const openPlain = (): Chardev =>
    keep(io.openStdio({ onOutputLost: events.onOutputLost, onInterrupt: events.onQuit }));
  const open = (target: CharacterTarget): Chardev => {
    if (target.kind === "null") return createNullChardev();
    if (target.kind === "file") return keep(io.openFile(target.path));
    return target.kind === "stdio" ? openPlain() : openMux();
  };
  // Files first: where one cannot be created, the terminal was never touched.
  const inOrder = (targets: readonly CharacterTarget[]): Chardev[] => {
    const files = targets.map((target) => (target.kind === "file" ? open(target) : undefined));
    return targets.map((target, index) => files[index] ?? open(target));
  };
  const dispose = (): void => {
    for (const chardev of opened) chardev.dispose();
  };

  try {
    const { debugConsole } = plan;
    const chardevs = inOrder(debugConsole ? [...plan.serial, debugConsole] : plan.serial);
    if (plan.monitor === "stdio") monitor = openPlain();
    return {
      serial: chardevs.slice(0, plan.serial.length),
      debugConsole: chardevs[plan.serial.length],
      connect(commands, sendBreak): void {
        breakLine = sendBreak;
        if (monitor !== undefined) createMonitor({ chardev: monitor, commands });
      },
      async flush(): Promise<void> {
        await Promise.all(opened.map((chardev) => chardev.flush()));
      },
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

import {
  type BufferedChardev,
  createConsoleMux,
  createMonitor,
  createNullChardev,
  type MonitorCommand,
} from "@tsvm/backends";
import type { Chardev, Disposable } from "@tsvm/contracts";
import type { CliIo } from "./cli-io.ts";
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
  const closeAll = (): void => {
    for (const chardev of opened) chardev.dispose();
  };
  try {
    const lines = openLines(plan, io, events, opened);
    return {
      ...lines,
      async flush(): Promise<void> {
        await Promise.all(opened.map((chardev) => chardev.flush()));
      },
      dispose: closeAll,
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** Opens every stream of the plan; what has to be closed later is added to `opened`. */
function openLines(
  plan: ConsolePlan,
  io: CliIo,
  events: ConsoleEvents,
  opened: BufferedChardev[],
): Pick<Consoles, "serial" | "debugConsole" | "connect"> {
  const keep = (chardev: BufferedChardev): BufferedChardev => {
    opened.push(chardev);
    return chardev;
  };
  const targets = plan.debugConsole ? [...plan.serial, plan.debugConsole] : plan.serial;
  // Files first: where one cannot be created, the terminal was never touched.
  const files = targets.map((target) => (target.kind === "file" ? keep(io.openFile(target.path)) : undefined));
  const stdio = openStdio(plan, io, events, keep);
  const lines = targets.map(({ kind }, index) => {
    if (kind === "null") return createNullChardev();
    return files[index] ?? (stdio.line as Chardev);
  });
  return {
    serial: lines.slice(0, plan.serial.length),
    debugConsole: lines[plan.serial.length],
    connect: stdio.connect,
  };
}

/** Who has standard input and output: a line, the monitor, or both. */
interface StdioUsers {
  readonly line: Chardev | undefined;
  readonly connect: Consoles["connect"];
}

function openStdio(
  plan: ConsolePlan,
  io: CliIo,
  events: ConsoleEvents,
  keep: (chardev: BufferedChardev) => BufferedChardev,
): StdioUsers {
  if (plan.monitor === "mux") return openMux(plan, io, events, keep);
  const targets = [...plan.serial, plan.debugConsole];
  if (plan.monitor === "none" && !targets.some((target) => target?.kind === "stdio")) {
    return { line: undefined, connect: () => {} };
  }
  const stdio = keep(io.openStdio({ onOutputLost: events.onOutputLost, onInterrupt: events.onQuit }));
  if (plan.monitor === "none") return { line: stdio, connect: () => {} };
  return {
    line: undefined,
    connect: (commands) => void createMonitor({ chardev: stdio, commands }),
  };
}

function openMux(
  plan: ConsolePlan,
  io: CliIo,
  events: ConsoleEvents,
  keep: (chardev: BufferedChardev) => BufferedChardev,
): StdioUsers {
  const serialPort = plan.serial.findIndex(({ kind }) => kind === "mon-stdio");
  let breakLine = (_serialPort: number): void => {};
  const mux = createConsoleMux({
    console: keep(io.openStdio({ onOutputLost: events.onOutputLost })),
    ports: [`serial${serialPort}`, "monitor"],
    keys: { quit: events.onQuit, break: (port) => port === 0 && breakLine(serialPort) },
  });
  const [line, monitor] = mux.ports as [Chardev, Chardev];
  return {
    line,
    connect(commands, sendBreak) {
      breakLine = sendBreak;
      createMonitor({ chardev: monitor, commands });
    },
  };
}

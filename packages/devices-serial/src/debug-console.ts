import { byteRegion, type Chardev, type Clock, type Device, recordField } from "@tsvm/contracts";
import { createBatchedOutput } from "./batched-output.ts";

export interface DebugConsoleOptions {
  readonly chardev: Chardev;
  readonly clock: Clock;
  /** What a read answers, by which guests recognise the port. Default 0xe9, as Bochs and QEMU answer. */
  readonly readback?: number;
  /** Default "debug-console". */
  readonly name?: string;
}

/** Has no state: bytes go straight through. */
export type DebugConsoleState = Record<string, never>;

export interface DebugConsole extends Device<DebugConsoleState> {
  /** Hands written bytes to the chardev at once; the board calls it when the machine stops. */
  flush(): void;
}

const stateField = recordField<DebugConsoleState>({});

/** One byte-wide port for a guest's debugging output: every byte written goes to the chardev. */
export function createDebugConsole(options: DebugConsoleOptions): DebugConsole {
  const { chardev, clock, readback = 0xe9, name = "debug-console" } = options;
  const output = createBatchedOutput(chardev, clock);
  return {
    name,
    regions: [
      byteRegion(
        name,
        1,
        () => readback,
        (_, value) => output.put(value),
      ),
    ],
    reset(): void {},
    save(): DebugConsoleState {
      output.flush();
      return {};
    },
    restore(state: DebugConsoleState): void {
      stateField(state, name);
    },
    flush: () => output.flush(),
  };
}

import type { AccessSize, Device } from "@tsvm/contracts";
import { recordField } from "@tsvm/contracts";

export interface DebugExitOptions {
  /** The guest wrote `value` and expects the machine to stop with it. QEMU's exit code is `(value << 1) | 1`. */
  readonly onExit: (value: number) => void;
  /** Bytes of the window (`iosize`). Default 4. */
  readonly length?: number;
  /** Default "isa-debug-exit". */
  readonly name?: string;
}

/** Has no state. */
export type DebugExitState = Record<string, never>;

const stateField = recordField<DebugExitState>({});

/** QEMU's isa-debug-exit: a window in which any write ends the machine with the value written. */
export function createDebugExit({
  onExit,
  length = 4,
  name = "isa-debug-exit",
}: DebugExitOptions): Device<DebugExitState> {
  return {
    name,
    regions: [
      {
        name,
        length,
        read: () => 0,
        write: (_offset: number, _size: AccessSize, value: number) => onExit(value),
      },
    ],
    reset(): void {},
    save: () => ({}),
    restore(state: DebugExitState): void {
      stateField(state, name);
    },
  };
}

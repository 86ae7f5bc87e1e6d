import type { MachineStop } from "@tsvm/contracts";

/** The process's exit code when the machine has stopped, as QEMU's. */
export function exitCodeOf(stop: MachineStop): number {
  switch (stop.reason) {
    case "shutdown":
    case "reset":
    case "paused":
      return 0;
    case "debug-exit":
      // A process has eight bits to say it with.
      return ((stop.value << 1) | 1) & 0xff;
    case "crash":
    case "internal-error":
      return 1;
  }
}

/** What standard error is told about it; undefined: nothing. */
export function complaintOf(stop: MachineStop, registers: () => string): string | undefined {
  switch (stop.reason) {
    case "crash":
      return `tsvm: triple fault\n${registers().trimEnd()}\n`;
    case "internal-error":
      return `tsvm: internal error: ${stop.detail}\n${registers().trimEnd()}\n`;
    default:
      return undefined;
  }
}

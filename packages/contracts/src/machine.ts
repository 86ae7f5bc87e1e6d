import type { Accelerator, Vcpu } from "./accelerator.ts";
import type { Clock, Device } from "./device.ts";

/** A board wires a machine: the only place that knows addresses and IRQ numbers. */
export interface Board<O> {
  readonly name: string;
  /** @throws ConfigError if the options do not fit the board. */
  build(accel: Accelerator, options: O, clock: Clock): Machine;
}

/**
 * Why a machine stopped. 'shutdown': power-off by the guest. 'reset': the guest asked for a reset. 'crash': triple fault.
 * 'debug-exit': isa-debug-exit was written `value`. 'paused': by `pause`.
 */
export type MachineStop =
  | { readonly reason: "shutdown" | "reset" | "crash" | "paused" }
  | { readonly reason: "debug-exit"; readonly value: number }
  | { readonly reason: "internal-error"; readonly detail: string };

export interface Machine {
  readonly devices: readonly Device[];
  readonly vcpus: readonly Vcpu[];
  /** Runs until the guest stops or `pause` is called, giving the host's event loop a turn every few milliseconds. */
  run(): Promise<MachineStop>;
  pause(): void;
  /** Power-on reset: devices, vCPUs, and the boot image loaded again. */
  reset(): void;
}

/** A whole machine as data. */
export interface Snapshot {
  readonly format: number;
  readonly board: string;
  readonly devices: Readonly<Record<string, unknown>>;
  readonly vcpus: readonly { readonly regs: Readonly<Record<string, bigint>> }[];
  readonly ram: AsyncIterable<{ readonly gfn: number; readonly bytes: Uint8Array }>;
}

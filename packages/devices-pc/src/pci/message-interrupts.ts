import type { StateField } from "@tsvm/contracts";
import type { PciCapability } from "./capability.ts";

/** MSI or MSI-X of one function: a capability, vectors with masks, and bits for what came while they were masked. */
export interface MessageInterrupts<S> {
  readonly capability: PciCapability;
  /** Called once: the capability's bytes as they stand in configuration space, live. */
  attach(registers: Uint8Array): void;
  /** Software has turned it on; the function's pin is silent then. */
  readonly enabled: boolean;
  /** Sends vector `index`, or notes it while it is masked. Numbers out of range are dropped. */
  fire(index: number): void;
  /** The registers have changed: sends what waited and is no longer masked. */
  update(): void;
  /** After the registers were reset. */
  reset(): void;
  readonly stateField: StateField<S>;
  save(): S;
  /** After the registers were restored; sends nothing. */
  restore(state: S): void;
}

/** A message: a write to memory by the function. */
export type SendMessage = (address: number, data: number) => void;

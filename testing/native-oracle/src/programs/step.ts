/** Runs an engine of ours instruction by instruction. */
import type { Vcpu } from "@tsvm/contracts";

/** What {@link step} says, beside reasons of exits, where it was told not to go on. */
export const STOPPED = "stopped";

/** At most `budget` instructions, as long as `goesOn` says so in front of each. @returns why it stopped. */
export function step(vcpu: Vcpu, budget: number, goesOn: () => boolean): string {
  const end = vcpu.instructionCount + budget;
  let exit = "intr";
  while (exit === "intr" && vcpu.instructionCount < end) exit = goesOn() ? vcpu.run(1).reason : STOPPED;
  return exit;
}

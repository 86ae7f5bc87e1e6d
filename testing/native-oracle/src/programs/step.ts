/** Runs an engine of ours instruction by instruction. */
import type { Vcpu } from "@tsvm/contracts";
import type { Guest } from "../tcg-engine.ts";
import type { Program } from "./program.ts";

/** Called in front of each instruction; the program is given up where it says so. */
export type Observer = (machine: Pick<Guest, "vcpu" | "view">) => boolean;

/** An engine of ours that goes instruction by instruction as long as an observer wants it to. */
export interface SteppedEngine {
  run(program: Program, observer: Observer): unknown;
}

/** What {@link step} says, beside reasons of exits, where it was told not to go on. */
export const STOPPED = "stopped";

/** At most `budget` instructions, as long as `goesOn` says so in front of each. @returns why it stopped. */
export function step(vcpu: Vcpu, budget: number, goesOn: () => boolean): string {
  const end = vcpu.instructionCount + budget;
  let exit = "intr";
  while (exit === "intr" && vcpu.instructionCount < end) exit = goesOn() ? vcpu.run(1).reason : STOPPED;
  return exit;
}

import type { VirtualMachine } from "@tsvm/vm";
import type { CliIo } from "./cli-io.ts";
import type { Consoles } from "./consoles.ts";
import { complaintOf, exitCodeOf } from "./exit-code.ts";

/** Longest wait for output to be taken when a person wants to leave; a guest that ends by itself waits for all of it. */
const QUIT_FLUSH_MS = 500;

/** How a run may end from outside the guest. */
export interface Ending {
  /** A person wants to leave. */
  quit(): void;
  /** Nobody reads the output. */
  lose(): void;
  /** Resolves with what was called first. */
  readonly reached: Promise<"quit" | "lost">;
}

export function createEnding(): Ending {
  const { promise, resolve } = Promise.withResolvers<"quit" | "lost">();
  return { quit: () => resolve("quit"), lose: () => resolve("lost"), reached: promise };
}

/** Runs the machine until the guest has stopped for good or `ending` is reached; resolves with the exit code. */
export async function runToEnd(vm: VirtualMachine, ending: Ending, consoles: Consoles, io: CliIo): Promise<number> {
  const outcome = await Promise.race([vm.run(), ending.reached]);
  if (typeof outcome === "string") {
    void vm.pause();
    if (outcome === "lost") return 1;
    await Promise.race([consoles.flush(), sleep(QUIT_FLUSH_MS)]);
    return 0;
  }
  await Promise.race([consoles.flush(), ending.reached]);
  const complaint = complaintOf(outcome, () => vm.describe());
  if (complaint !== undefined) io.complain(complaint);
  return exitCodeOf(outcome);
}

/** Does not keep the process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

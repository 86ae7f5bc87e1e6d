import type { Cpu, HelperResult } from "../state/cpu.ts";

/** An opcode that processors have and we do not: #UD, counted and reported to the host. Argument: rip of the opcode. */
export function unimplemented(cpu: Cpu): HelperResult {
  cpu.set32("undefinedCount", cpu.get32("undefinedCount") + 1);
  cpu.host.undefinedOpcode(cpu.arg64(0));
  return cpu.raise("UD");
}

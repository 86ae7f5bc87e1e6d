// INT n, INT3, INTO and INT1 as helpers. SDM vol. 2A, "INT n/INTO/INT3/INT1".
import { FLAG, IOPL_SHIFT } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { deliver } from "./deliver.ts";
import { VECTOR } from "./vectors.ts";

/** INT n. Argument: vector. Virtual-8086 mode below IOPL 3: #GP(0). */
export function softwareInterrupt(cpu: Cpu): HelperResult {
  if (cpu.vm86 && ((cpu.get32(AT.rflags) >>> IOPL_SHIFT) & 3) !== 3) return cpu.raise("GP", 0);
  return enter(cpu, cpu.arg32(0) & 0xff, "software");
}

/** INT3, which IOPL does not concern. */
export function breakpoint(cpu: Cpu): HelperResult {
  return enter(cpu, VECTOR.BP, "software");
}

/** INTO: #OF if OF is set. */
export function overflow(cpu: Cpu): HelperResult {
  return (cpu.rflags & FLAG.OF) === 0 ? HELPER.next : enter(cpu, VECTOR.OF, "software");
}

/** INT1 (ICEBP): a debug trap that no gate privilege stops and that leaves DR6 alone. */
export function debugTrap(cpu: Cpu): HelperResult {
  return enter(cpu, VECTOR.DB, "privileged");
}

function enter(cpu: Cpu, vector: number, kind: "software" | "privileged"): HelperResult {
  const task = cpu.get32(AT.segSelector, SEGMENT.tr);
  if (deliver(cpu, vector, kind)) return HELPER.jump;
  // Behind a completed task switch the fault is the new task's, and rip is right already.
  return cpu.get32(AT.segSelector, SEGMENT.tr) === task ? HELPER.fault : HELPER.exit;
}

// Near CALL and RET of code with a shadow stack. SDM vol. 2A, "CALL"; vol. 2B, "RET".

import { recomputeMode } from "../segments/cache.ts";
import { isCanonical } from "../segments/canonical.ts";
import { commitStack, currentStack, type SlotSize } from "../segments/stack.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { awaitEndbranch } from "./branch-tracking.ts";
import { CP_ERROR } from "./control-protection.ts";
import { readShadow, writeShadow } from "./shadow-memory.ts";

/** Elements of the shadow stack of 16- and 32-bit code have 4 bytes. */
const elementOf = (size: SlotSize): 4 | 8 => (size === 8 ? 8 : 4);

/** A near target must be canonical, or within the limit of CS. @returns false: #GP(0) pending. */
function isTarget(cpu: Cpu, target: bigint, size: SlotSize): boolean {
  const fits = size === 8 ? isCanonical(cpu, target) : target <= BigInt(cpu.get32(AT.segLimit, SEGMENT.cs));
  if (!fits) cpu.raise("GP", 0);
  return fits;
}

/** Arguments: target, operand size in bits, whether ENDBRANCH has to follow, whether the shadow stack is left alone. */
export function callNear(cpu: Cpu): HelperResult {
  const size = (cpu.arg32(1) >> 3) as SlotSize;
  const target = BigInt.asUintN(size * 8, cpu.arg64(0));
  const [tracked, unshadowed] = [cpu.arg32(2) !== 0, cpu.arg32(3) !== 0];
  if (!isTarget(cpu, target, size)) return HELPER.fault;
  const stack = currentStack(cpu);
  stack.push(cpu.rip, size);
  const bytes = elementOf(size);
  const ssp = BigInt.asUintN(64, cpu.get64(AT.ssp) - BigInt(unshadowed ? 0 : bytes));
  if (!unshadowed) writeShadow(cpu, ssp, bytes, BigInt.asUintN(size * 8, cpu.rip), cpu.cpl);
  if (cpu.faulted) return HELPER.fault;
  commitStack(cpu, stack);
  cpu.set64(AT.ssp, ssp);
  cpu.rip = target;
  if (tracked) {
    awaitEndbranch(cpu, cpu.cpl);
    recomputeMode(cpu);
  }
  return HELPER.jump;
}

/** Arguments: bytes of parameters to release, operand size in bits. */
export function returnNear(cpu: Cpu): HelperResult {
  const size = (cpu.arg32(1) >> 3) as SlotSize;
  const stack = currentStack(cpu);
  const target = stack.pop(size);
  if (cpu.faulted || !isTarget(cpu, target, size)) return HELPER.fault;
  const bytes = elementOf(size);
  const ssp = cpu.get64(AT.ssp);
  const expected = readShadow(cpu, ssp, bytes, cpu.cpl);
  if (cpu.faulted) return HELPER.fault;
  if (expected !== target) return cpu.raise("CP", CP_ERROR.nearReturn);
  stack.skip(cpu.arg32(0));
  commitStack(cpu, stack);
  cpu.set64(AT.ssp, BigInt.asUintN(64, ssp + BigInt(bytes)));
  cpu.rip = target;
  return HELPER.jump;
}

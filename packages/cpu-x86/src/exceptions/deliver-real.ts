// Delivery through the interrupt vector table of real mode. SDM vol. 3B, "Interrupt and Exception Handling" (8086
// Emulation). No error codes, no privileges.

import { recomputeMode, setRealSegment } from "../segments/cache.ts";
import { commitStack, currentStack } from "../segments/stack.ts";
import { IMPLICIT } from "../segments/tables.ts";
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { idtErrorCode } from "./event.ts";

/** @returns whether the handler was entered; false: an exception is pending. */
export function deliverReal(cpu: Cpu, vector: number): boolean {
  if (vector * 4 + 3 > cpu.get32(AT.idtrLimit)) {
    cpu.raise("GP", idtErrorCode(vector));
    return false;
  }
  const entry = cpu.linear.read(cpu.get64(AT.idtrBase) + BigInt(vector * 4), 4, IMPLICIT);
  const stack = currentStack(cpu);
  const flags = cpu.rflags;
  stack.push(BigInt(flags), 2);
  stack.push(BigInt(cpu.get32(AT.segSelector, SEGMENT.cs)), 2);
  stack.push(cpu.rip, 2);
  if (cpu.faulted) return false;
  commitStack(cpu, stack);
  cpu.rflags = flags & ~(FLAG.IF | FLAG.TF | FLAG.AC | FLAG.RF);
  setRealSegment(cpu, SEGMENT.cs, entry >>> 16);
  cpu.rip = BigInt(entry & 0xffff);
  recomputeMode(cpu);
  return true;
}

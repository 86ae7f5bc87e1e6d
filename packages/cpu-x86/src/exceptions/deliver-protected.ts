// Delivery through 16- and 32-bit gates, from protected and virtual-8086 mode. SDM vol. 3A, "Exception and Interrupt
// Handling"; vol. 3B, "Entering Virtual-8086 Mode" and "Class 1-Hardware Interrupt and Exception Handling in
// Virtual-8086 Mode".

import { enterByEvent } from "../cet/far-entry.ts";
import { setNullSegment } from "../segments/cache.ts";
import { type CodeTarget, commitCode } from "../segments/code-target.ts";
import { type Gate, parseGate, SYSTEM_TYPE, TYPE_32 } from "../segments/descriptor.ts";
import { commitInnerStack, legacyInnerStack } from "../segments/inner-stack.ts";
import { commitStack, currentStack, type Stack } from "../segments/stack.ts";
import { IMPLICIT } from "../segments/tables.ts";
import { switchThroughGate } from "../segments/task-switch.ts";
import { FLAG } from "../state/bits.ts";
import { type Cpu, HELPER } from "../state/cpu.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";
import { type EventKind, idtErrorCode } from "./event.ts";
import { clearsInterruptFlag, fetchHandler, mayUseGate } from "./gate-target.ts";
import { NO_ERROR_CODE } from "./vectors.ts";

/** @param flags RFLAGS image to save. @returns whether the handler was entered; false: an exception is pending. */
export function deliverProtected(cpu: Cpu, vector: number, kind: EventKind, errorCode: number, flags: number): boolean {
  const gate = fetchInterruptGate(cpu, vector);
  if (gate === undefined || !mayUseGate(cpu, vector, kind, gate)) return false;
  if ((gate.attributes & 0xf) === SYSTEM_TYPE.taskGate) return deliverToTask(cpu, gate, errorCode);
  const target = fetchHandler(cpu, gate);
  if (target === undefined) return false;
  const size = (gate.attributes & TYPE_32) !== 0 ? 4 : 2;
  const entered =
    target.cpl === cpu.cpl
      ? pushOnSameStack(cpu, size, flags, errorCode)
      : pushOnInnerStack(cpu, target, size, flags, errorCode);
  if (!entered) return false;
  const cleared = FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | (clearsInterruptFlag(gate) ? FLAG.IF : 0);
  cpu.rflags = flags & ~cleared;
  commitCode(cpu, target);
  return true;
}

function fetchInterruptGate(cpu: Cpu, vector: number): Gate | undefined {
  if (vector * 8 + 7 > cpu.get32(AT.idtrLimit)) {
    cpu.raise("GP", idtErrorCode(vector));
    return undefined;
  }
  const raw = cpu.linear.read64(cpu.get64(AT.idtrBase) + BigInt(vector * 8), IMPLICIT);
  if (cpu.faulted) return undefined;
  const gate = parseGate(Number(raw & 0xffff_ffffn), Number(raw >> 32n));
  // S must be 0: type 5, or 6 7 14 15.
  const type = gate.attributes & 0x1f;
  if (type === SYSTEM_TYPE.taskGate || (type & 0x16) === SYSTEM_TYPE.interruptGate16) return gate;
  cpu.raise("GP", idtErrorCode(vector));
  return undefined;
}

function pushReturn(cpu: Cpu, stack: Stack, size: 2 | 4, flags: number, errorCode: number): void {
  stack.pushWord(flags, size);
  stack.pushWord(cpu.get32(AT.segSelector, SEGMENT.cs), size);
  stack.pushWord(cpu.low(AT.rip), size);
  if (errorCode !== NO_ERROR_CODE) stack.pushWord(errorCode, size);
}

function pushOnSameStack(cpu: Cpu, size: 2 | 4, flags: number, errorCode: number): boolean {
  const stack = currentStack(cpu);
  pushReturn(cpu, stack, size, flags, errorCode);
  if (cpu.faulted || !enterByEvent(cpu, cpu.cpl, 0)) return false;
  commitStack(cpu, stack);
  return true;
}

function pushOnInnerStack(cpu: Cpu, target: CodeTarget, size: 2 | 4, flags: number, errorCode: number): boolean {
  const inner = legacyInnerStack(cpu, target.cpl);
  if (inner === undefined) return false;
  const { stack } = inner;
  const fromVm86 = cpu.vm86;
  const dataSegments = [SEGMENT.gs, SEGMENT.fs, SEGMENT.ds, SEGMENT.es] as const;
  if (fromVm86) {
    for (const segment of dataSegments) stack.pushWord(cpu.get32(AT.segSelector, segment), size);
  }
  stack.pushWord(cpu.get32(AT.segSelector, SEGMENT.ss), size);
  stack.pushWord(cpu.gpr32(GPR.rsp), size);
  pushReturn(cpu, stack, size, flags, errorCode);
  if (cpu.faulted || !enterByEvent(cpu, target.cpl, 0)) return false;
  if (fromVm86) for (const segment of dataSegments) setNullSegment(cpu, segment, 0);
  commitInnerStack(cpu, inner, target.cpl);
  return true;
}

/** Task gates: the new task finds the error code on its stack. */
function deliverToTask(cpu: Cpu, gate: Gate, errorCode: number): boolean {
  if (switchThroughGate(cpu, gate.selector, true) === HELPER.fault || cpu.faulted) return false;
  if (errorCode === NO_ERROR_CODE) return true;
  const size = (cpu.get32(AT.segAttributes, SEGMENT.tr) & TYPE_32) !== 0 ? 4 : 2;
  const stack = currentStack(cpu);
  stack.pushWord(errorCode, size);
  if (!cpu.faulted) commitStack(cpu, stack);
  return !cpu.faulted;
}

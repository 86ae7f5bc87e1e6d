// Delivery through the 64-bit IDT of IA-32e mode. SDM vol. 3A, "Exception and Interrupt Handling in 64-bit Mode".

import { setNullSegment } from "../segments/cache.ts";
import { isCanonical } from "../segments/canonical.ts";
import { type CodeTarget, commitCode } from "../segments/code-target.ts";
import { type Gate, parseGate, SYSTEM_TYPE } from "../segments/descriptor.ts";
import { interruptStackPointer, longInnerPointer } from "../segments/inner-stack.ts";
import { accessAt } from "../segments/stack.ts";
import { IMPLICIT } from "../segments/tables.ts";
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { GPR, SEGMENT } from "../state/layout.ts";
import { writeBlock } from "../system/memory-block.ts";
import { type EventKind, idtErrorCode } from "./event.ts";
import { clearsInterruptFlag, fetchHandler, mayUseGate } from "./gate-target.ts";
import { NO_ERROR_CODE } from "./vectors.ts";

/** The stack frame being built, lowest address first; one delivery at a time. */
const frame = new BigUint64Array(6);
const frameBytes = new Uint8Array(frame.buffer);

/** @param flags RFLAGS image to save. @returns whether the handler was entered; false: an exception is pending. */
export function deliverLong(cpu: Cpu, vector: number, kind: EventKind, errorCode: number, flags: number): boolean {
  const gate = fetchLongGate(cpu, vector);
  if (gate === undefined || !mayUseGate(cpu, vector, kind, gate)) return false;
  const target = fetchHandler(cpu, gate);
  if (target === undefined) return false;
  const top = stackTop(cpu, gate, target);
  if (top === undefined) return false;
  const pointer = pushFrame(cpu, top, target.cpl, flags, errorCode);
  if (pointer === undefined) return false;
  if (target.cpl !== cpu.cpl) setNullSegment(cpu, SEGMENT.ss, target.cpl, target.cpl);
  cpu.setGpr64(GPR.rsp, pointer);
  const interrupts = clearsInterruptFlag(gate) ? FLAG.IF : 0;
  // Arithmetic flags stay as they are, in their lazy form.
  cpu.set32("rflags", cpu.get32("rflags") & ~(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | interrupts));
  commitCode(cpu, target);
  return true;
}

function fetchLongGate(cpu: Cpu, vector: number): Gate | undefined {
  const refuse = (): undefined => {
    cpu.raise("GP", idtErrorCode(vector));
    return undefined;
  };
  if (vector * 16 + 15 > cpu.get32("idtrLimit")) return refuse();
  const address = cpu.get64("idtrBase") + BigInt(vector * 16);
  const raw = cpu.linear.read64(address, IMPLICIT);
  const upper = cpu.linear.read(address + 8n, 4, IMPLICIT);
  if (cpu.faulted) return undefined;
  const gate = parseGate(Number(raw & 0xffff_ffffn), Number(raw >> 32n), upper);
  // S must be 0, and only the "32-bit" types exist.
  return (gate.attributes & 0x1e) === SYSTEM_TYPE.interruptGate32 ? gate : refuse();
}

function stackTop(cpu: Cpu, gate: Gate, target: CodeTarget): bigint | undefined {
  const pointer =
    gate.ist !== 0
      ? interruptStackPointer(cpu, gate.ist)
      : target.cpl === cpu.cpl
        ? cpu.gpr64(GPR.rsp)
        : longInnerPointer(cpu, target.cpl);
  return pointer === undefined ? undefined : pointer & ~0xfn;
}

/** SS RSP RFLAGS CS RIP and the error code. @returns the new stack pointer, or undefined: exception pending. */
function pushFrame(cpu: Cpu, top: bigint, cpl: number, flags: number, errorCode: number): bigint | undefined {
  frame[5] = BigInt(cpu.get32("segSelector", SEGMENT.ss));
  frame[4] = cpu.gpr64(GPR.rsp);
  frame[3] = BigInt(flags >>> 0);
  frame[2] = BigInt(cpu.get32("segSelector", SEGMENT.cs));
  frame[1] = cpu.rip;
  frame[0] = BigInt(errorCode === NO_ERROR_CODE ? 0 : errorCode);
  const first = errorCode === NO_ERROR_CODE ? 8 : 0;
  const pointer = BigInt.asUintN(64, top - BigInt(48 - first));
  if (!isCanonical(cpu, pointer) || !isCanonical(cpu, BigInt.asUintN(64, top - 1n))) {
    cpu.raise("SS", 0);
    return undefined;
  }
  return writeBlock(cpu, pointer, frameBytes.subarray(first), accessAt(cpu, cpl)) ? pointer : undefined;
}

// Delivery through the 64-bit IDT of IA-32e mode. SDM vol. 3A, "Exception and Interrupt Handling in 64-bit Mode". Page
// faults and system calls by interrupt pass here: addresses are halves, nothing is a bigint.
import { enterByEvent } from "../cet/far-entry.ts";
import { setNullSegment } from "../segments/cache.ts";
import { isCanonicalHigh } from "../segments/canonical.ts";
import { type CodeTarget, commitCode } from "../segments/code-target.ts";
import { type Gate, parseGate, SYSTEM_TYPE } from "../segments/descriptor.ts";
import { accessAt } from "../segments/stack.ts";
import { errorCodeOf, reachTable } from "../segments/tables.ts";
import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";
import { type EventKind, idtErrorCode } from "./event.ts";
import { clearsInterruptFlag, fetchHandler, mayUseGate } from "./gate-target.ts";
import { NO_ERROR_CODE } from "./vectors.ts";

/** @param flags RFLAGS image to save. @returns whether the handler was entered; false: an exception is pending. */
export function deliverLong(cpu: Cpu, vector: number, kind: EventKind, errorCode: number, flags: number): boolean {
  const gate = fetchLongGate(cpu, vector);
  if (gate === undefined || !mayUseGate(cpu, vector, kind, gate)) return false;
  const target = fetchHandler(cpu, gate);
  if (target === undefined || !findStack(cpu, gate, target)) return false;
  if (!pushFrame(cpu, target.cpl, flags, errorCode) || !enterByEvent(cpu, target.cpl, gate.ist)) return false;
  if (target.cpl !== cpu.cpl) setNullSegment(cpu, SEGMENT.ss, target.cpl, target.cpl);
  cpu.setHalves(AT.gpr, stackLow, stackHigh, GPR.rsp);
  const interrupts = clearsInterruptFlag(gate) ? FLAG.IF : 0;
  // Arithmetic flags stay as they are, in their lazy form.
  cpu.set32(AT.rflags, cpu.get32(AT.rflags) & ~(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | interrupts));
  commitCode(cpu, target);
  return true;
}

function fetchLongGate(cpu: Cpu, vector: number): Gate | undefined {
  const offset = vector * 16;
  if (offset + 15 <= cpu.get32(AT.idtrLimit)) {
    const hva = reachTable(cpu, AT.idtrBase, 0, offset, 16);
    if (hva === 0) return undefined;
    const { view } = cpu;
    const high = view.getUint32(hva + 4, true);
    const gate = parseGate(view.getUint32(hva, true), high, view.getUint32(hva + 8, true));
    // S must be 0, and only the "32-bit" types exist.
    if ((gate.attributes & 0x1e) === SYSTEM_TYPE.interruptGate32) return gate;
  }
  cpu.raise("GP", idtErrorCode(vector));
  return undefined;
}

/** The new stack pointer, until it is committed. */
let stackLow = 0;
let stackHigh = 0;

/** Where the frame will end: the stack of the IST, of the TSS, or the current one; aligned to 16 bytes. */
function findStack(cpu: Cpu, gate: Gate, target: CodeTarget): boolean {
  if (gate.ist === 0 && target.cpl === cpu.cpl) {
    stackLow = cpu.low(AT.gpr, GPR.rsp) & ~0xf;
    stackHigh = cpu.high(AT.gpr, GPR.rsp);
    return true;
  }
  const offset = gate.ist === 0 ? target.cpl * 8 + TSS_RSP0 : gate.ist * 8 + TSS_IST0;
  if (offset + 7 > cpu.get32(AT.segLimit, SEGMENT.tr)) {
    cpu.raise("TS", errorCodeOf(cpu.get32(AT.segSelector, SEGMENT.tr)));
    return false;
  }
  const hva = reachTable(cpu, AT.segBase, SEGMENT.tr, offset, 8);
  if (hva === 0) return false;
  stackLow = cpu.view.getUint32(hva, true) & ~0xf;
  stackHigh = cpu.view.getUint32(hva + 4, true);
  if (!isCanonicalHigh(cpu, stackHigh)) cpu.raise("SS", 0);
  return !cpu.faulted;
}
const TSS_RSP0 = 4;
/** One slot below IST1, since entries count from 1. */
const TSS_IST0 = 28;

/** SS RSP RFLAGS CS RIP and the error code. @returns false: exception pending. */
function pushFrame(cpu: Cpu, cpl: number, flags: number, errorCode: number): boolean {
  const bytes = errorCode === NO_ERROR_CODE ? 40 : 48;
  // The end of the frame and its start may lie on two sides of a boundary, of 4 GiB or of the canonical halves.
  const endHigh = stackLow === 0 ? stackHigh - 1 : stackHigh;
  const low = (stackLow >>> 0) - bytes;
  stackLow = low | 0;
  if (low < 0) stackHigh = (stackHigh - 1) >>> 0;
  if (!isCanonicalHigh(cpu, endHigh) || !isCanonicalHigh(cpu, stackHigh)) {
    cpu.raise("SS", 0);
    return false;
  }
  const first = errorCode === NO_ERROR_CODE ? -1 : 0;
  if (first === 0) putSlot(cpu, 0, errorCode, 0);
  putSlot(cpu, first + 1, cpu.low(AT.rip), cpu.high(AT.rip));
  putSlot(cpu, first + 2, cpu.get32(AT.segSelector, SEGMENT.cs), 0);
  putSlot(cpu, first + 3, flags, 0);
  putSlot(cpu, first + 4, cpu.low(AT.gpr, GPR.rsp), cpu.high(AT.gpr, GPR.rsp));
  putSlot(cpu, first + 5, cpu.get32(AT.segSelector, SEGMENT.ss), 0);
  return cpu.linear.storeBounced(stackLow, stackHigh | 0, bytes, accessAt(cpu, cpl));
}

function putSlot(cpu: Cpu, slot: number, low: number, high: number): void {
  const at = (AT.bounce >> 2) + slot * 2;
  cpu.u32[at] = low;
  cpu.u32[at + 1] = high;
}

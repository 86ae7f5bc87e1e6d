// Events on their way into the guest: exceptions, interrupts, software interrupts. SDM vol. 3A, "Interrupt and Exception
// Handling".

import { FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { deliverLong } from "./deliver-long.ts";
import { deliverProtected } from "./deliver-protected.ts";
import { deliverReal } from "./deliver-real.ts";
import { combineExceptions } from "./double-fault.ts";
import { ERROR_EXT, type EventKind, isFaultClass } from "./event.ts";
import { NO_ERROR_CODE, VECTOR } from "./vectors.ts";

/**
 * Enters the handler of `vector`; `rip` must be what the handler is to return to.
 * @param errorCode NO_ERROR_CODE: none is pushed.
 * @returns false: delivering raised an exception, now pending.
 */
export function deliver(cpu: Cpu, vector: number, kind: EventKind, errorCode: number = NO_ERROR_CODE): boolean {
  cpu.host.delivering?.(vector, kind, errorCode);
  const entered = enterHandler(cpu, vector, kind, errorCode);
  if (!entered && (kind === "external" || kind === "exception")) markExternal(cpu);
  return entered;
}

function enterHandler(cpu: Cpu, vector: number, kind: EventKind, errorCode: number): boolean {
  if (!cpu.protectedMode) return deliverReal(cpu, vector);
  const flags = savedFlags(cpu, vector, kind);
  if (cpu.longMode) return deliverLong(cpu, vector, kind, errorCode, flags);
  return deliverProtected(cpu, vector, kind, errorCode, flags);
}

/** RF is for the instruction the handler returns to: set behind faults, clear behind instructions that have ended. */
function savedFlags(cpu: Cpu, vector: number, kind: EventKind): number {
  if (kind === "external") return cpu.rflags;
  return kind === "exception" && isFaultClass(vector) ? cpu.rflags | FLAG.RF : cpu.rflags & ~FLAG.RF;
}

/** Sets EXT in the pending error code if it is one of a descriptor: the event was not the program's doing. */
function markExternal(cpu: Cpu): void {
  const vector = cpu.get32(AT.pendingVector) - 1;
  if (vector < VECTOR.TS || vector > VECTOR.GP) return;
  cpu.set32(AT.pendingErrorCode, cpu.get32(AT.pendingErrorCode) | ERROR_EXT);
}

/** What became of a pending exception. */
export type Delivery = "delivered" | "shutdown";

/**
 * Delivers the pending exception, and what delivering it raises in turn. The run loop calls it with `rip` at the
 * faulting instruction (traps: behind it).
 * @returns `shutdown` after a triple fault: the processor is dead until reset; registers stay for the report.
 */
export function takePendingException(cpu: Cpu): Delivery {
  let first = -1;
  while (cpu.faulted) {
    let vector = cpu.get32(AT.pendingVector) - 1;
    let errorCode = cpu.get32(AT.pendingErrorCode) | 0;
    cpu.set32(AT.pendingVector, 0);
    noteCause(cpu, vector);
    const combination = combineExceptions(first, vector);
    if (combination === "shutdown") return "shutdown";
    if (combination === "double") {
      vector = VECTOR.DF;
      errorCode = 0;
    }
    deliver(cpu, vector, "exception", errorCode);
    first = vector;
  }
  return "delivered";
}

const DR6_CONDITIONS = 0xf;
const DR7_GD = 1 << 13;

/** CR2 of a page fault; DR6 and DR7.GD of a debug exception, whose conditions stand in `pendingAddress`. */
function noteCause(cpu: Cpu, vector: number): void {
  const [low, high] = [cpu.low(AT.pendingAddress), cpu.high(AT.pendingAddress)];
  cpu.setLow(AT.pendingAddress, 0);
  if (vector === VECTOR.PF) cpu.setHalves(AT.cr2, low, high);
  if (vector !== VECTOR.DB) return;
  cpu.setLow(AT.dr, (cpu.low(AT.dr, 6) & ~DR6_CONDITIONS) | (low & 0xffff), 6);
  cpu.setLow(AT.dr, cpu.low(AT.dr, 7) & ~DR7_GD, 7);
}

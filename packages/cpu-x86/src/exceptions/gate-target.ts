// The handler's code segment, as interrupt and trap gates of every mode name it.

import { type CodeTarget, enterCode, fetchCode, isCode64 } from "../segments/code-target.ts";
import { dplOf, type Gate, isConforming, isPresent, SYSTEM_TYPE } from "../segments/descriptor.ts";
import { errorCodeOf } from "../segments/tables.ts";
import type { Cpu } from "../state/cpu.ts";
import { type EventKind, idtErrorCode } from "./event.ts";

/** Privilege and presence of the gate itself. @returns false: exception pending. */
export function mayUseGate(cpu: Cpu, vector: number, kind: EventKind, gate: Gate): boolean {
  if (kind === "software" && dplOf(gate.attributes) < cpu.cpl) cpu.raise("GP", idtErrorCode(vector));
  else if (!isPresent(gate.attributes)) cpu.raise("NP", idtErrorCode(vector));
  return !cpu.faulted;
}

/** Checks the code segment and decides the handler's CPL. @returns undefined: exception pending. */
export function fetchHandler(cpu: Cpu, gate: Gate): CodeTarget | undefined {
  const descriptor = fetchCode(cpu, gate.selector);
  if (descriptor === undefined) return undefined;
  const dpl = dplOf(descriptor.attributes);
  const { cpl, longMode } = cpu;
  const allowed = dpl <= cpl && (!longMode || isCode64(cpu, descriptor));
  const next = isConforming(descriptor.attributes) ? cpl : dpl;
  // Virtual-8086 mode can only be left for privilege level 0.
  if (!allowed || (cpu.vm86 && next !== 0)) {
    cpu.raise("GP", errorCodeOf(gate.selector));
    return undefined;
  }
  return enterCode(cpu, gate.selector, descriptor, next, gate.offset, gate.offsetHigh);
}

/** Interrupt gates clear IF, trap gates do not. */
export function clearsInterruptFlag(gate: Gate): boolean {
  return ((gate.attributes & 0xf) | 8) === SYSTEM_TYPE.interruptGate32;
}

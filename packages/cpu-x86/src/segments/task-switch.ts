// Hardware task switches. SDM vol. 3A, "Task Management": "Task Switching", "Task Linking", "32-Bit Task-State Segment
// (TSS)", "16-Bit Task-State Segment (TSS)".
//
// Invariants:
// 1. Everything the old task can be blamed for is checked before the first write; faults then belong to the old task.
// 2. From the write of TR on, faults belong to the new task: rip and the registers are already its own.

import { ACCESS_READ, ACCESS_WRITE } from "@tsvm/mmu";
import { afterSwitch, beforeSwitch, type IncomingTask } from "../cet/task-switch.ts";
import { DR6, raiseDebug } from "../exceptions/debug.ts";
import { CR0, FLAG } from "../state/bits.ts";
import type { Cpu, HelperResult } from "../state/cpu.ts";
import { HELPER } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { recomputeMode, setNullSegment, setRealSegment, setSegment, setSegmentCache } from "./cache.ts";
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isNull,
  isPresent,
  SYSTEM_TYPE,
  systemTypeOf,
  TSS_BUSY,
  TYPE_32,
} from "./descriptor.ts";
import { checkDataSegment, checkStackSegment, loadLocalTable } from "./load.ts";
import { errorCodeOf, fetchDescriptor, IMPLICIT, markAccessed, markBusy } from "./tables.ts";

/** How the switch came about: `call` also stands for interrupts and exceptions. */
export type SwitchCause = "jump" | "call" | "iret";

/** Offsets in a TSS; `slot` is the size of its registers. */
interface TaskLayout {
  readonly slot: 2 | 4;
  readonly minimumLimit: number;
  readonly ip: number;
  readonly flags: number;
  readonly gpr: number;
  readonly segments: number;
  /** ES CS SS DS, and FS GS in the 32-bit layout. */
  readonly segmentCount: number;
  readonly ldt: number;
}
const LAYOUT_16: TaskLayout = {
  slot: 2,
  minimumLimit: 0x2b,
  ip: 14,
  flags: 16,
  gpr: 18,
  segments: 34,
  segmentCount: 4,
  ldt: 42,
};
const LAYOUT_32: TaskLayout = {
  slot: 4,
  minimumLimit: 0x67,
  ip: 32,
  flags: 36,
  gpr: 40,
  segments: 72,
  segmentCount: 6,
  ldt: 96,
};
/** 32-bit TSS only. */
const TSS_CR3 = 28;
const TSS_DEBUG_TRAP = 100;

function layoutOf(attributes: number): TaskLayout {
  return (attributes & TYPE_32) !== 0 ? LAYOUT_32 : LAYOUT_16;
}

/** Through a task gate that may be used. @param selector of the TSS. @param nested CALL or event: links back. */
export function switchThroughGate(cpu: Cpu, selector: number, nested: boolean): HelperResult {
  if (isNull(selector) || (selector & 4) !== 0) return cpu.raise("GP", errorCodeOf(selector));
  const descriptor = fetchDescriptor(cpu, selector, "GP");
  if (descriptor === undefined) return HELPER.fault;
  const type = systemTypeOf(descriptor.attributes);
  if (type !== SYSTEM_TYPE.tss16Available && type !== SYSTEM_TYPE.tss32Available) {
    return cpu.raise("GP", errorCodeOf(selector));
  }
  return switchThroughDescriptor(cpu, selector, descriptor, nested ? "call" : "jump");
}

/** Through the descriptor of an available TSS. */
export function switchThroughDescriptor(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  cause: "jump" | "call",
): HelperResult {
  if (!isPresent(descriptor.attributes)) return cpu.raise("NP", errorCodeOf(selector));
  return switchTask(cpu, selector, descriptor, cause);
}

/** IRET with NT: back to the task that the link field names, which must be busy. */
export function switchBack(cpu: Cpu): HelperResult {
  const selector = cpu.linear.read(cpu.get64(AT.segBase, SEGMENT.tr), 2, IMPLICIT);
  if (cpu.faulted) return HELPER.fault;
  const refuse = (): HelperResult => cpu.raise("TS", errorCodeOf(selector));
  if (isNull(selector) || (selector & 4) !== 0) return refuse();
  const descriptor = fetchDescriptor(cpu, selector, "TS");
  if (descriptor === undefined) return HELPER.fault;
  const type = systemTypeOf(descriptor.attributes);
  if (type !== SYSTEM_TYPE.tss16Busy && type !== SYSTEM_TYPE.tss32Busy) return refuse();
  if (!isPresent(descriptor.attributes)) return cpu.raise("NP", errorCodeOf(selector));
  return switchTask(cpu, selector, descriptor, "iret");
}

function switchTask(cpu: Cpu, selector: number, descriptor: Descriptor, cause: SwitchCause): HelperResult {
  const next = layoutOf(descriptor.attributes);
  if (descriptor.limit < next.minimumLimit) return cpu.raise("TS", errorCodeOf(selector));
  const old = layoutOf(cpu.get32(AT.segAttributes, SEGMENT.tr));
  const oldBase = cpu.get64(AT.segBase, SEGMENT.tr);
  cpu.linear.probe(oldBase, old.minimumLimit + 1, ACCESS_READ | ACCESS_WRITE);
  cpu.linear.probe(BigInt(descriptor.base), next.minimumLimit + 1, ACCESS_READ | ACCESS_WRITE);
  const incoming = readTask(cpu, BigInt(descriptor.base), next);
  const shadowStack = cpu.faulted ? undefined : beforeSwitch(cpu, cause, incomingOf(descriptor, next, incoming));
  if (cpu.faulted || !leaveTask(cpu, old, oldBase, cause)) return HELPER.fault;
  if (cause === "call") {
    cpu.linear.write(BigInt(descriptor.base), 2, cpu.get32(AT.segSelector, SEGMENT.tr), IMPLICIT);
    incoming.flags |= FLAG.NT;
  }
  if (cause !== "iret" && !markBusy(cpu, selector, descriptor, true)) return HELPER.fault;
  setSegmentCache(cpu, SEGMENT.tr, selector, descriptor.base, descriptor.limit, descriptor.attributes | TSS_BUSY);
  cpu.set64(AT.cr0, cpu.get64(AT.cr0) | BigInt(CR0.TS));
  enterTask(cpu, incoming, next, () => afterSwitch(cpu, cause, shadowStack));
  return HELPER.exit;
}

function incomingOf({ base, limit }: Descriptor, { slot }: TaskLayout, task: TaskImage): IncomingTask {
  return { base, limit, wide: slot === 4, cs: task.selectors[SEGMENT.cs] as number, flags: task.flags };
}

/** A task as its TSS has it. */
interface TaskImage {
  readonly cr3: number;
  readonly ip: number;
  flags: number;
  readonly gpr: readonly number[];
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly debugTrap: boolean;
}

function readTask(cpu: Cpu, base: bigint, layout: TaskLayout): TaskImage {
  const wide = layout.slot === 4;
  const read = (offset: number, size: 2 | 4): number => cpu.linear.read(base + BigInt(offset), size, IMPLICIT);
  const list = (offset: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => read(offset + i * layout.slot, layout.slot));
  return {
    cr3: wide ? read(TSS_CR3, 4) : 0,
    ip: read(layout.ip, layout.slot),
    flags: read(layout.flags, layout.slot),
    gpr: list(layout.gpr, 8),
    selectors: list(layout.segments, layout.segmentCount).map((selector) => selector & 0xffff),
    ldt: read(layout.ldt, 2),
    debugTrap: wide && (read(TSS_DEBUG_TRAP, 2) & 1) !== 0,
  };
}

/** Saves the running task and, unless it stays in the chain, marks it available. @returns false: exception pending. */
function leaveTask(cpu: Cpu, layout: TaskLayout, base: bigint, cause: SwitchCause): boolean {
  const { slot } = layout;
  const write = (offset: number, value: number): void => cpu.linear.write(base + BigInt(offset), slot, value, IMPLICIT);
  write(layout.ip, cpu.low(AT.rip));
  write(layout.flags, cause === "iret" ? cpu.rflags & ~FLAG.NT : cpu.rflags);
  for (let i = 0; i < 8; i++) write(layout.gpr + i * slot, cpu.gpr32(i));
  for (let i = 0; i < layout.segmentCount; i++) {
    cpu.linear.write(base + BigInt(layout.segments + i * slot), 2, cpu.get32(AT.segSelector, i), IMPLICIT);
  }
  if (cpu.faulted) return false;
  if (cause === "call") return true;
  const selector = cpu.get32(AT.segSelector, SEGMENT.tr);
  const descriptor = fetchDescriptor(cpu, selector, "TS");
  return descriptor !== undefined && markBusy(cpu, selector, descriptor, false);
}

/** Loads the new task. A fault stays pending, with rip at the task's first instruction. */
function enterTask(cpu: Cpu, task: TaskImage, layout: TaskLayout, takeShadowStack: () => void): void {
  cpu.setLow(AT.rip, task.ip);
  cpu.rflags = task.flags;
  const narrow = layout.slot === 2;
  // A 16-bit TSS leaves the upper halves to chance; hardware sets them.
  for (let i = 0; i < 8; i++) {
    cpu.setGpr32(i, narrow ? (0xffff_0000 | (task.gpr[i] as number)) >>> 0 : (task.gpr[i] as number));
  }
  if (!narrow && (cpu.low(AT.cr0) & CR0.PG) !== 0) adoptCr3(cpu, task.cr3);
  forgetSegments(cpu, task);
  if (!cpu.faulted && loadLocalTable(cpu, task.ldt, "TS")) loadTaskSegments(cpu, task);
  if (!cpu.faulted) takeShadowStack();
  recomputeMode(cpu);
  if (cpu.faulted) return;
  if (task.ip > cpu.get32(AT.segLimit, SEGMENT.cs)) cpu.raise("GP", 0);
  else if (task.debugTrap) raiseDebug(cpu, DR6.BT);
}

function adoptCr3(cpu: Cpu, cr3: number): void {
  if (cr3 === cpu.low(AT.cr3)) return;
  cpu.setLow(AT.cr3, cr3);
  if (!cpu.linear.cr3Changed(false)) cpu.raise("TS", errorCodeOf(cpu.get32(AT.segSelector, SEGMENT.tr)));
}

/** Selectors are loaded before any descriptor; what is not loaded for a fault stays unusable. */
function forgetSegments(cpu: Cpu, task: TaskImage): void {
  for (let i = 0; i < 6; i++) setNullSegment(cpu, i, task.selectors[i] ?? 0);
  setNullSegment(cpu, SEGMENT.ldtr, task.ldt);
}

function loadTaskSegments(cpu: Cpu, task: TaskImage): void {
  if (cpu.vm86) {
    cpu.set32(AT.cpl, 3);
    for (let i = 0; i < 6; i++) setRealSegment(cpu, i, task.selectors[i] ?? 0);
    return;
  }
  const cs = task.selectors[SEGMENT.cs] as number;
  cpu.set32(AT.cpl, cs & 3);
  const ss = task.selectors[SEGMENT.ss] as number;
  if (!loadTaskCode(cpu, cs) || !loadTaskStack(cpu, ss)) return;
  for (const segment of [SEGMENT.ds, SEGMENT.es, SEGMENT.fs, SEGMENT.gs]) {
    const selector = task.selectors[segment] ?? 0;
    if (isNull(selector)) continue;
    const descriptor = checkDataSegment(cpu, selector, cpu.cpl, "TS");
    if (descriptor === undefined) return;
    setSegment(cpu, segment, selector, descriptor);
  }
}

function loadTaskCode(cpu: Cpu, selector: number): boolean {
  const rpl = selector & 3;
  const descriptor = isNull(selector) ? undefined : fetchDescriptor(cpu, selector, "TS");
  if (descriptor !== undefined) {
    const { attributes } = descriptor;
    const dpl = dplOf(attributes);
    if (isCode(attributes) && (isConforming(attributes) ? dpl <= rpl : dpl === rpl)) {
      if (!isPresent(attributes)) cpu.raise("NP", errorCodeOf(selector));
      else if (markAccessed(cpu, selector, descriptor)) setSegment(cpu, SEGMENT.cs, selector, descriptor);
      return !cpu.faulted;
    }
  }
  cpu.raise("TS", errorCodeOf(selector));
  return false;
}

function loadTaskStack(cpu: Cpu, selector: number): boolean {
  if (isNull(selector)) {
    cpu.raise("TS", errorCodeOf(selector));
    return false;
  }
  const descriptor = checkStackSegment(cpu, selector, cpu.cpl, "TS");
  if (descriptor === undefined) return false;
  setSegment(cpu, SEGMENT.ss, selector, descriptor);
  return true;
}

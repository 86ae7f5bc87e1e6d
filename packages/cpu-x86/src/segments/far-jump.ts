// JMP and CALL to another segment: directly, through call gates, and by task switch. SDM vol. 2A, "CALL", "JMP".
import { enterByCall, enterByJump } from "../cet/far-entry.ts";
import type { Cpu, HelperResult } from "../state/cpu.ts";
import { HELPER } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { commitCode, enterCode, enterRealCode, fetchCode, isCode64, mayTransferDirectly } from "./code-target.ts";
import {
  type Descriptor,
  dplOf,
  type Gate,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isSegment,
  SYSTEM_TYPE,
  systemTypeOf,
} from "./descriptor.ts";
import { commitInnerStack, type InnerStack, legacyInnerStack, longInnerPointer, wideStack } from "./inner-stack.ts";
import { commitStack, currentStack, type SlotSize, type Stack } from "./stack.ts";
import { errorCodeOf, fetchDescriptor, widenGate } from "./tables.ts";
import { switchThroughDescriptor, switchThroughGate } from "./task-switch.ts";

/** JMP ptr16:16/32 and m16:16/32/64. Arguments: selector, offset, operand size in bits. */
export function jumpFar(cpu: Cpu): HelperResult {
  const selector = cpu.arg32(0) & 0xffff;
  const [offset, offsetHigh] = [cpu.low(AT.helperArgs, 1), cpu.high(AT.helperArgs, 1)];
  if (!cpu.protectedMode || cpu.vm86) return enterRealCode(cpu, selector, offset) ? HELPER.jump : HELPER.fault;
  const descriptor = fetchTarget(cpu, selector);
  if (descriptor === undefined) return HELPER.fault;
  if (isCode(descriptor.attributes)) return jumpToSegment(cpu, selector, descriptor, offset, offsetHigh);
  return throughSystemDescriptor(cpu, selector, descriptor, jumpThroughGate, false);
}

/** CALL ptr16:16/32 and m16:16/32/64. Arguments: selector, offset, operand size in bits. */
export function callFar(cpu: Cpu): HelperResult {
  const selector = cpu.arg32(0) & 0xffff;
  const [offset, offsetHigh] = [cpu.low(AT.helperArgs, 1), cpu.high(AT.helperArgs, 1)];
  const size = (cpu.arg32(2) >> 3) as SlotSize;
  if (!cpu.protectedMode || cpu.vm86) return callReal(cpu, selector, offset, size);
  const descriptor = fetchTarget(cpu, selector);
  if (descriptor === undefined) return HELPER.fault;
  if (isCode(descriptor.attributes)) {
    if (!mayTransferDirectly(cpu, selector, descriptor)) return HELPER.fault;
    return callSameLevel(cpu, selector, descriptor, offset, offsetHigh, size);
  }
  return throughSystemDescriptor(cpu, selector, descriptor, callThroughGate, true);
}

function fetchTarget(cpu: Cpu, selector: number): Descriptor | undefined {
  if (!isNull(selector)) return fetchDescriptor(cpu, selector, "GP");
  cpu.raise("GP", 0);
  return undefined;
}

function pushReturnAddress(cpu: Cpu, stack: Stack, size: SlotSize): void {
  stack.push(BigInt(cpu.get32(AT.segSelector, SEGMENT.cs)), size);
  stack.push(cpu.rip, size);
}

function callReal(cpu: Cpu, selector: number, offset: number, size: SlotSize): HelperResult {
  const stack = currentStack(cpu);
  pushReturnAddress(cpu, stack, size);
  if (cpu.faulted || !enterRealCode(cpu, selector, offset)) return HELPER.fault;
  commitStack(cpu, stack);
  return HELPER.jump;
}

function jumpToSegment(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  offset: number,
  offsetHigh: number,
): HelperResult {
  if (!mayTransferDirectly(cpu, selector, descriptor)) return HELPER.fault;
  const target = enterCode(cpu, selector, descriptor, cpu.cpl, offset, offsetHigh);
  if (target === undefined || !enterByJump(cpu, target)) return HELPER.fault;
  commitCode(cpu, target);
  return HELPER.jump;
}

function callSameLevel(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  offset: number,
  offsetHigh: number,
  size: SlotSize,
): HelperResult {
  const target = enterCode(cpu, selector, descriptor, cpu.cpl, offset, offsetHigh);
  if (target === undefined) return HELPER.fault;
  const stack = currentStack(cpu);
  pushReturnAddress(cpu, stack, size);
  if (cpu.faulted || !enterByCall(cpu, target)) return HELPER.fault;
  commitStack(cpu, stack);
  commitCode(cpu, target);
  return HELPER.jump;
}

type GateTransfer = (cpu: Cpu, gate: Gate, wide: boolean) => HelperResult;

/** Anything but a code segment. @param nested CALL: task switches link back. */
function throughSystemDescriptor(
  cpu: Cpu,
  selector: number,
  descriptor: Descriptor,
  transfer: GateTransfer,
  nested: boolean,
): HelperResult {
  const { attributes } = descriptor;
  const type = systemTypeOf(attributes);
  const dpl = dplOf(attributes);
  const refuse = (): HelperResult => cpu.raise("GP", errorCodeOf(selector));
  if (isSegment(attributes) || dpl < cpu.cpl || dpl < (selector & 3)) return refuse();
  // IA-32e mode knows 64-bit call gates only.
  if (cpu.longMode && type !== SYSTEM_TYPE.callGate32) return refuse();
  switch (type) {
    case SYSTEM_TYPE.callGate16:
    case SYSTEM_TYPE.callGate32: {
      const gate = widenGate(cpu, selector, descriptor);
      if (gate === undefined) return HELPER.fault;
      if (!isPresent(attributes)) return cpu.raise("NP", errorCodeOf(selector));
      return transfer(cpu, gate, type === SYSTEM_TYPE.callGate32);
    }
    case SYSTEM_TYPE.taskGate:
      if (!isPresent(attributes)) return cpu.raise("NP", errorCodeOf(selector));
      return switchThroughGate(cpu, descriptor.low >>> 16, nested);
    case SYSTEM_TYPE.tss16Available:
    case SYSTEM_TYPE.tss32Available:
      return switchThroughDescriptor(cpu, selector, descriptor, nested ? "call" : "jump");
    default:
      return refuse();
  }
}

/** The code segment a call gate names: 64-bit code in IA-32e mode. */
function fetchGateTarget(cpu: Cpu, gate: Gate): Descriptor | undefined {
  const descriptor = fetchCode(cpu, gate.selector);
  if (descriptor === undefined) return undefined;
  if (dplOf(descriptor.attributes) <= cpu.cpl && (!cpu.longMode || isCode64(cpu, descriptor))) return descriptor;
  cpu.raise("GP", errorCodeOf(gate.selector));
  return undefined;
}

function jumpThroughGate(cpu: Cpu, gate: Gate): HelperResult {
  const descriptor = fetchGateTarget(cpu, gate);
  if (descriptor === undefined) return HELPER.fault;
  // RPL of the selector inside a gate does not matter.
  return jumpToSegment(cpu, gate.selector & 0xfffc, descriptor, gate.offset, gate.offsetHigh);
}

function callThroughGate(cpu: Cpu, gate: Gate, wide: boolean): HelperResult {
  const descriptor = fetchGateTarget(cpu, gate);
  if (descriptor === undefined) return HELPER.fault;
  const size: SlotSize = cpu.longMode ? 8 : wide ? 4 : 2;
  const dpl = dplOf(descriptor.attributes);
  if (isConforming(descriptor.attributes) || dpl === cpu.cpl) {
    return callSameLevel(cpu, gate.selector, descriptor, gate.offset, gate.offsetHigh, size);
  }
  return callInnerLevel(cpu, gate, descriptor, dpl, size);
}

function callInnerLevel(cpu: Cpu, gate: Gate, descriptor: Descriptor, cpl: number, size: SlotSize): HelperResult {
  const target = enterCode(cpu, gate.selector, descriptor, cpl, gate.offset, gate.offsetHigh);
  if (target === undefined) return HELPER.fault;
  const inner = cpu.longMode ? longInnerStack(cpu, cpl) : legacyInnerStack(cpu, cpl);
  if (inner === undefined) return HELPER.fault;
  inner.stack.push(BigInt(cpu.get32(AT.segSelector, SEGMENT.ss)), size);
  inner.stack.push(cpu.rsp, size);
  if (!cpu.longMode) copyParameters(cpu, inner.stack, gate.parameters, size);
  pushReturnAddress(cpu, inner.stack, size);
  if (cpu.faulted || !enterByCall(cpu, target)) return HELPER.fault;
  commitInnerStack(cpu, inner, cpl);
  commitCode(cpu, target);
  return HELPER.jump;
}

function longInnerStack(cpu: Cpu, cpl: number): InnerStack | undefined {
  const pointer = longInnerPointer(cpu, cpl);
  return pointer === undefined ? undefined : wideStack(cpu, pointer, cpl);
}

/** The caller's parameters keep their order on the new stack. */
function copyParameters(cpu: Cpu, to: Stack, count: number, size: SlotSize): void {
  const from = currentStack(cpu);
  const values: bigint[] = [];
  for (let i = 0; i < count; i++) values.push(from.pop(size));
  for (const value of values.reverse()) to.push(value, size);
}

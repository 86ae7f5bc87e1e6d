// RET to another segment, and IRET in all its forms. SDM vol. 2A, "IRET/IRETD/IRETQ"; vol. 2B, "RET".

import { leaveByReturn, leaveToVm86 } from "../cet/far-return.ts";
import { FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { recomputeMode, setRealSegment } from "./cache.ts";
import { commitCode, enterRealCode } from "./code-target.ts";
import { returnLong } from "./iret-long.ts";
import { dropInnerSegments } from "./load.ts";
import { ioplOf, loadFlags } from "./return-flags.ts";
import { checkReturnTarget, commitOuterStack, popOuterStack } from "./return-target.ts";
import { commitStack, currentStack, type SlotSize, type Stack } from "./stack.ts";
import { switchBack } from "./task-switch.ts";

/** RET far. Arguments: bytes of parameters to release, operand size in bits. */
export function returnFar(cpu: Cpu): HelperResult {
  const release = cpu.arg32(0);
  const size = (cpu.arg32(1) >> 3) as SlotSize;
  const stack = currentStack(cpu);
  const rip = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  if (cpu.faulted) return HELPER.fault;
  stack.skip(release);
  if (!cpu.protectedMode || cpu.vm86) {
    if (!enterRealCode(cpu, selector, Number(rip))) return HELPER.fault;
    commitStack(cpu, stack);
    return HELPER.jump;
  }
  const target = checkReturnTarget(cpu, selector, Number(rip & 0xffff_ffffn), Number(rip >> 32n));
  if (target === undefined) return HELPER.fault;
  if (target.cpl === cpu.cpl) {
    if (!leaveByReturn(cpu, selector, target, false)) return HELPER.fault;
    commitStack(cpu, stack);
    commitCode(cpu, target);
    return HELPER.jump;
  }
  const outer = popOuterStack(cpu, stack, size, target);
  if (outer === undefined || !leaveByReturn(cpu, selector, target, false)) return HELPER.fault;
  commitOuterStack(cpu, outer, target, BigInt(release));
  dropInnerSegments(cpu, target.cpl);
  commitCode(cpu, target);
  return HELPER.jump;
}

/** IRET, IRETD, IRETQ. Argument: operand size in bits. */
export function returnFromInterrupt(cpu: Cpu): HelperResult {
  const blocked = cpu.get32(AT.nmiBlocked) !== 0;
  // Even an IRET that faults ends the blocking of NMIs (SDM vol. 3A, "Handling Multiple NMIs").
  cpu.set32(AT.nmiBlocked, 0);
  const result = returnByMode(cpu);
  // One that waited for this comes in before the next instruction.
  return blocked && result === HELPER.jump && cpu.get32(AT.interruptRequest) !== 0 ? HELPER.exit : result;
}

function returnByMode(cpu: Cpu): HelperResult {
  const size = (cpu.arg32(0) >> 3) as SlotSize;
  if (!cpu.protectedMode) return returnReal(cpu, size);
  if (cpu.vm86) {
    return ioplOf(cpu.get32(AT.rflags)) === 3 ? returnReal(cpu, size) : cpu.raise("GP", 0);
  }
  if ((cpu.get32(AT.rflags) & FLAG.NT) !== 0) return cpu.longMode ? cpu.raise("GP", 0) : switchBack(cpu);
  return size === 8 && cpu.code64 ? returnLong(cpu) : returnProtected(cpu, size);
}

function returnReal(cpu: Cpu, size: SlotSize): HelperResult {
  const stack = currentStack(cpu);
  const ip = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  const image = Number(stack.pop(size) & 0xffff_ffffn);
  if (cpu.faulted || !enterRealCode(cpu, selector, Number(ip))) return HELPER.fault;
  commitStack(cpu, stack);
  // Virtual-8086 code runs at CPL 3 with IOPL 3: IF may change, IOPL may not. Real mode is CPL 0.
  return loadFlags(cpu, image, size, cpu.cpl);
}

function returnProtected(cpu: Cpu, size: SlotSize): HelperResult {
  const before = cpu.cpl;
  const stack = currentStack(cpu);
  const rip = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  const image = Number(stack.pop(size) & 0xffff_ffffn);
  if (cpu.faulted) return HELPER.fault;
  if (size === 4 && (image & FLAG.VM) !== 0 && before === 0 && !cpu.longMode) {
    return returnToVm86(cpu, stack, rip, selector, image);
  }
  const target = checkReturnTarget(cpu, selector, Number(rip & 0xffff_ffffn), Number(rip >> 32n));
  if (target === undefined) return HELPER.fault;
  if (target.cpl === before && !cpu.code64) {
    if (!leaveByReturn(cpu, selector, target, true)) return HELPER.fault;
    commitStack(cpu, stack);
  } else {
    const outer = popOuterStack(cpu, stack, size, target);
    if (outer === undefined || !leaveByReturn(cpu, selector, target, true)) return HELPER.fault;
    commitOuterStack(cpu, outer, target);
  }
  if (target.cpl !== before) dropInnerSegments(cpu, target.cpl);
  commitCode(cpu, target);
  return loadFlags(cpu, image, size, before);
}

function returnToVm86(cpu: Cpu, stack: Stack, rip: bigint, selector: number, image: number): HelperResult {
  const pointer = stack.pop(4);
  const selectors = Array.from({ length: 5 }, () => Number(stack.pop(4) & 0xffffn));
  if (cpu.faulted) return HELPER.fault;
  if (rip > 0xffffn) return cpu.raise("GP", 0);
  if (!leaveToVm86(cpu)) return HELPER.fault;
  cpu.rflags = image;
  cpu.set32(AT.cpl, 3);
  const [ss = 0, es = 0, ds = 0, fs = 0, gs = 0] = selectors;
  for (const [i, value] of [es, selector, ss, ds, fs, gs].entries()) setRealSegment(cpu, i, value);
  cpu.rip = rip;
  cpu.rsp = pointer;
  recomputeMode(cpu);
  return HELPER.exit;
}

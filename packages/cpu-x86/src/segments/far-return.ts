// RET to another segment, and IRET in all its forms. SDM vol. 2A, "IRET/IRETD/IRETQ"; vol. 2B, "RET".
import { FLAG, IOPL_SHIFT } from "../state/bits.ts";
import type { Cpu, HelperResult } from "../state/cpu.ts";
import { HELPER } from "../state/cpu.ts";
import { SEGMENT } from "../state/layout.ts";
import { recomputeMode, setNullSegment, setRealSegment, setSegment } from "./cache.ts";
import {
  type CodeTarget,
  commitCode,
  enterCode,
  enterRealCode,
  fetchCode,
  isCode64,
  mayReturnTo,
} from "./code-target.ts";
import { type Descriptor, isNull } from "./descriptor.ts";
import { checkStackSegment, dropInnerSegments } from "./load.ts";
import { commitStack, currentStack, type SlotSize, Stack } from "./stack.ts";
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
    if (!enterRealCode(cpu, selector, rip)) return HELPER.fault;
    commitStack(cpu, stack);
    return HELPER.jump;
  }
  const target = checkReturnTarget(cpu, selector, rip);
  if (target === undefined) return HELPER.fault;
  if (target.cpl === cpu.cpl) {
    commitStack(cpu, stack);
    commitCode(cpu, target);
    return HELPER.jump;
  }
  return returnOutward(cpu, stack, size, target, release);
}

function returnOutward(cpu: Cpu, stack: Stack, size: SlotSize, target: CodeTarget, release: number): HelperResult {
  const outer = popOuterStack(cpu, stack, size, target);
  if (outer === undefined) return HELPER.fault;
  commitOuterStack(cpu, outer, target, BigInt(release));
  dropInnerSegments(cpu, target.cpl);
  commitCode(cpu, target);
  return HELPER.jump;
}

function checkReturnTarget(cpu: Cpu, selector: number, rip: bigint): CodeTarget | undefined {
  const descriptor = fetchCode(cpu, selector);
  if (descriptor === undefined || !mayReturnTo(cpu, selector, descriptor)) return undefined;
  return enterCode(cpu, selector, descriptor, selector & 3, rip);
}

/** SS:RSP found above a return address. */
interface OuterStack {
  readonly selector: number;
  /** Undefined: a null selector, which 64-bit code below CPL 3 may have. */
  readonly descriptor: Descriptor | undefined;
  readonly pointer: bigint;
  readonly size: SlotSize;
}

function popOuterStack(cpu: Cpu, stack: Stack, size: SlotSize, target: CodeTarget): OuterStack | undefined {
  const pointer = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  if (cpu.faulted) return undefined;
  const { cpl } = target;
  if (isNull(selector)) {
    if (isCode64(cpu, target.descriptor) && cpl !== 3 && (selector & 3) === cpl) {
      return { selector, descriptor: undefined, pointer, size };
    }
    cpu.raise("GP", 0);
    return undefined;
  }
  const descriptor = checkStackSegment(cpu, selector, cpl, "GP");
  return descriptor === undefined ? undefined : { selector, descriptor, pointer, size };
}

/** @param release bytes of parameters on the outer stack. */
function commitOuterStack(cpu: Cpu, outer: OuterStack, target: CodeTarget, release = 0n): void {
  const { selector, descriptor } = outer;
  if (descriptor === undefined) setNullSegment(cpu, SEGMENT.ss, selector, target.cpl);
  else setSegment(cpu, SEGMENT.ss, selector, descriptor);
  if (isCode64(cpu, target.descriptor)) {
    cpu.rsp = outer.pointer + release;
    return;
  }
  const segment = descriptor ?? { base: 0n, limit: 0, attributes: 0 };
  const stack = new Stack(cpu, segment, outer.pointer, false, target.cpl);
  stack.skip(Number(release));
  // A 32-bit pointer for a 16-bit stack is loaded whole; a 16-bit one leaves the bits above alone.
  cpu.rsp = stack.mergedInto(outer.size === 2 ? cpu.rsp : outer.pointer & 0xffff_ffffn);
}

/** IRET, IRETD, IRETQ. Argument: operand size in bits. */
export function returnFromInterrupt(cpu: Cpu): HelperResult {
  // Even an IRET that faults ends the blocking of NMIs (SDM vol. 3A, "Handling Multiple NMIs").
  cpu.set32("nmiBlocked", 0);
  const size = (cpu.arg32(0) >> 3) as SlotSize;
  if (!cpu.protectedMode) return returnReal(cpu, size);
  if (cpu.vm86) {
    return ioplOf(cpu.get32("rflags")) === 3 ? returnReal(cpu, size) : cpu.raise("GP", 0);
  }
  if ((cpu.get32("rflags") & FLAG.NT) !== 0) return cpu.longMode ? cpu.raise("GP", 0) : switchBack(cpu);
  return returnProtected(cpu, size);
}

function returnReal(cpu: Cpu, size: SlotSize): HelperResult {
  const stack = currentStack(cpu);
  const ip = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  const image = Number(stack.pop(size) & 0xffff_ffffn);
  if (cpu.faulted || !enterRealCode(cpu, selector, ip)) return HELPER.fault;
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
  const target = checkReturnTarget(cpu, selector, rip);
  if (target === undefined) return HELPER.fault;
  if (target.cpl === before && !cpu.code64) commitStack(cpu, stack);
  else {
    const outer = popOuterStack(cpu, stack, size, target);
    if (outer === undefined) return HELPER.fault;
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
  cpu.rflags = image;
  cpu.set32("cpl", 3);
  const [ss = 0, es = 0, ds = 0, fs = 0, gs = 0] = selectors;
  for (const [i, value] of [es, selector, ss, ds, fs, gs].entries()) setRealSegment(cpu, i, value);
  cpu.rip = rip;
  cpu.rsp = pointer;
  recomputeMode(cpu);
  return HELPER.exit;
}

/** @param cpl privilege before the return, which decides what may change. */
function loadFlags(cpu: Cpu, image: number, size: SlotSize, cpl: number): HelperResult {
  const old = cpu.rflags;
  let mask = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
  if (size !== 2) mask |= FLAG.RF | FLAG.AC | FLAG.ID;
  if (cpl <= ioplOf(old)) mask |= FLAG.IF;
  if (cpl === 0) mask |= (3 << IOPL_SHIFT) | (size === 2 ? 0 : FLAG.VIF | FLAG.VIP);
  return changeFlags(cpu, (old & ~mask) | (image & mask));
}

function ioplOf(rflags: number): number {
  return (rflags >>> IOPL_SHIFT) & 3;
}

/**
 * Writes RFLAGS after a return or POPF. @returns `exit` if the run loop must look: single-stepping was switched on, or an
 * interrupt waits that may come in now; else `jump`.
 */
export function changeFlags(cpu: Cpu, flags: number): HelperResult {
  const old = cpu.get32("rflags");
  cpu.rflags = flags;
  if (((old ^ flags) & (FLAG.AC | FLAG.VM)) !== 0) cpu.linear.contextChanged();
  const enabled = (flags & ~old & FLAG.IF) !== 0 && cpu.get32("interruptRequest") !== 0;
  return enabled || (flags & FLAG.TF) !== 0 ? HELPER.exit : HELPER.jump;
}

// Where RET and IRET go: the code segment, and the stack of a less privileged level. SDM vol. 2B, "RET".
import type { Cpu } from "../state/cpu.ts";
import { SEGMENT } from "../state/layout.ts";
import { setNullSegment, setSegment } from "./cache.ts";
import { type CodeTarget, enterCode, fetchCode, isCode64, mayReturnTo } from "./code-target.ts";
import { type Descriptor, isNull } from "./descriptor.ts";
import { checkStackSegment } from "./load.ts";
import { type SlotSize, Stack } from "./stack.ts";

/** Checks a return address; halves of rip unsigned. @returns undefined: exception pending. */
export function checkReturnTarget(cpu: Cpu, selector: number, low: number, high: number): CodeTarget | undefined {
  const descriptor = fetchCode(cpu, selector);
  if (descriptor === undefined || !mayReturnTo(cpu, selector, descriptor)) return undefined;
  return enterCode(cpu, selector, descriptor, selector & 3, low, high);
}

/** SS:RSP found above a return address. */
export interface OuterStack {
  readonly selector: number;
  /** Undefined: a null selector, which 64-bit code below CPL 3 may have. */
  readonly descriptor: Descriptor | undefined;
  readonly pointer: bigint;
}

/** Pops and checks the stack of an outer level. @returns undefined: exception pending. */
export function popOuterStack(cpu: Cpu, stack: Stack, size: SlotSize, target: CodeTarget): OuterStack | undefined {
  const pointer = stack.pop(size);
  const selector = Number(stack.pop(size) & 0xffffn);
  if (cpu.faulted || !mayHaveStack(cpu, selector, target)) return undefined;
  if (isNull(selector)) return { selector, descriptor: undefined, pointer };
  const descriptor = checkStackSegment(cpu, selector, target.cpl, "GP");
  return descriptor === undefined ? undefined : { selector, descriptor, pointer };
}

/** Null selectors are for 64-bit code below CPL 3. @returns false: #GP(0) pending. */
export function mayHaveStack(cpu: Cpu, selector: number, { descriptor, cpl }: CodeTarget): boolean {
  if (!isNull(selector) || (isCode64(cpu, descriptor) && cpl !== 3 && (selector & 3) === cpl)) return true;
  cpu.raise("GP", 0);
  return false;
}

/** Loads SS and RSP. @param release bytes of parameters on the outer stack. */
export function commitOuterStack(cpu: Cpu, outer: OuterStack, target: CodeTarget, release = 0n): void {
  const { selector, descriptor } = outer;
  if (descriptor === undefined) setNullSegment(cpu, SEGMENT.ss, selector, target.cpl);
  else setSegment(cpu, SEGMENT.ss, selector, descriptor);
  if (isCode64(cpu, target.descriptor)) {
    cpu.rsp = outer.pointer + release;
    return;
  }
  const segment = descriptor ?? { base: 0, limit: 0, attributes: 0 };
  const stack = new Stack(cpu, segment, outer.pointer, false, target.cpl);
  stack.skip(Number(release));
  // Of a 16-bit stack only SP is loaded, and all above it stays: Linux, arch/x86/kernel/espfix_64.c, tells of it, for what it leaks.
  cpu.rsp = stack.mergedInto(cpu.rsp);
}

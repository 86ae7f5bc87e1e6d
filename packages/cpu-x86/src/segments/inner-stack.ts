// Stacks that the TSS holds for more privileged levels. SDM vol. 3A, "Stack Switching", "Stack Switching in IA-32e Mode".
import { SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { setNullSegment, setSegment } from "./cache.ts";
import { isCanonical } from "./canonical.ts";
import { type Descriptor, isNull, TYPE_32 } from "./descriptor.ts";
import { checkStackSegment } from "./load.ts";
import { Stack } from "./stack.ts";
import { errorCodeOf, IMPLICIT, reachTable } from "./tables.ts";

/** A checked stack of another privilege level. */
export interface InnerStack {
  readonly stack: Stack;
  readonly selector: number;
  /** Undefined in IA-32e mode, where SS becomes null. */
  readonly descriptor: Descriptor | undefined;
  /** Stack pointer before anything is pushed. */
  readonly top: bigint;
}

/** SS:ESP of privilege `cpl` from a 16- or 32-bit TSS. @returns undefined: exception pending. */
export function legacyInnerStack(cpu: Cpu, cpl: number): InnerStack | undefined {
  const wide = (cpu.get32(AT.segAttributes, SEGMENT.tr) & TYPE_32) !== 0;
  const offset = wide ? cpl * 8 + 4 : cpl * 4 + 2;
  const base = cpu.get64(AT.segBase, SEGMENT.tr) + BigInt(offset);
  if (offset + (wide ? 5 : 3) > cpu.get32(AT.segLimit, SEGMENT.tr)) return raiseTaskSegment(cpu);
  const pointer = cpu.linear.read(base, wide ? 4 : 2, IMPLICIT);
  const selector = cpu.linear.read(base + (wide ? 4n : 2n), 2, IMPLICIT);
  if (cpu.faulted) return undefined;
  if (isNull(selector)) {
    cpu.raise("TS", errorCodeOf(selector));
    return undefined;
  }
  const descriptor = checkStackSegment(cpu, selector, cpl, "TS");
  if (descriptor === undefined) return undefined;
  const top = BigInt(pointer);
  const stack = new Stack(cpu, descriptor, top, false, cpl, errorCodeOf(selector));
  return { stack, selector, descriptor, top };
}

const WIDE_SEGMENT = { base: 0, limit: 0xffff_ffff, attributes: SEG.P | SEG.S | SEG.WRITABLE | SEG.DB } as const;

/** A stack for 64-bit code at `pointer`; SS will be null. */
export function wideStack(cpu: Cpu, pointer: bigint, cpl: number): InnerStack {
  const stack = new Stack(cpu, WIDE_SEGMENT, pointer, true, cpl);
  return { stack, selector: cpl, descriptor: undefined, top: pointer };
}

/** RSP0..RSP2 of a 64-bit TSS. @returns undefined: exception pending. */
export function longInnerPointer(cpu: Cpu, cpl: number): bigint | undefined {
  const offset = cpl * 8 + 4;
  if (offset + 7 > cpu.get32(AT.segLimit, SEGMENT.tr)) return raiseTaskSegment(cpu);
  const hva = reachTable(cpu, AT.segBase, SEGMENT.tr, offset, 8);
  if (hva === 0) return undefined;
  const pointer = cpu.view.getBigUint64(hva, true);
  if (isCanonical(cpu, pointer)) return pointer;
  cpu.raise("SS", 0);
  return undefined;
}

function raiseTaskSegment(cpu: Cpu): undefined {
  cpu.raise("TS", errorCodeOf(cpu.get32(AT.segSelector, SEGMENT.tr)));
  return undefined;
}

/** Makes the stack current: SS, and RSP wherever the pushes left it. CPL and mode are the caller's. */
export function commitInnerStack(cpu: Cpu, inner: InnerStack, cpl: number): void {
  if (inner.descriptor === undefined) setNullSegment(cpu, SEGMENT.ss, inner.selector, cpl);
  else setSegment(cpu, SEGMENT.ss, inner.selector, inner.descriptor);
  cpu.rsp = inner.stack.mergedInto(inner.top);
}

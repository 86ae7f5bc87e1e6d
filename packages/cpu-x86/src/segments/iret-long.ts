// IRETQ from 64-bit code, which ends every interrupt and page fault of a 64-bit kernel: one access for the whole frame,
// and no bigints but where it leads to compatibility mode. SDM vol. 2A, "IRET/IRETD/IRETQ".
import { leaveByReturn } from "../cet/far-return.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";
import { setNullSegment, setSegment } from "./cache.ts";
import { isCanonicalHigh } from "./canonical.ts";
import { commitCode, isCode64 } from "./code-target.ts";
import { isNull } from "./descriptor.ts";
import { checkStackSegment, dropInnerSegments } from "./load.ts";
import { loadFlags } from "./return-flags.ts";
import { checkReturnTarget, commitOuterStack, mayHaveStack } from "./return-target.ts";
import { accessAt } from "./stack.ts";

/** RIP CS RFLAGS RSP SS. */
const FRAME_BYTES = 40;

/** IRETQ in 64-bit mode, NT clear. */
export function returnLong(cpu: Cpu): HelperResult {
  const before = cpu.cpl;
  const frame = reachFrame(cpu, before);
  if (frame === 0) return HELPER.fault;
  const { view } = cpu;
  const selector = view.getUint16(frame + 8, true);
  const image = view.getUint32(frame + 16, true);
  const [rspLow, rspHigh] = [view.getUint32(frame + 24, true), view.getUint32(frame + 28, true)];
  const ss = view.getUint16(frame + 32, true);
  const target = checkReturnTarget(cpu, selector, view.getUint32(frame, true), view.getUint32(frame + 4, true));
  if (target === undefined || !mayHaveStack(cpu, ss, target)) return HELPER.fault;
  const descriptor = isNull(ss) ? undefined : checkStackSegment(cpu, ss, target.cpl, "GP");
  if (cpu.faulted || !leaveByReturn(cpu, selector, target, true)) return HELPER.fault;
  if (isCode64(cpu, target.descriptor)) {
    if (descriptor === undefined) setNullSegment(cpu, SEGMENT.ss, ss, target.cpl);
    else setSegment(cpu, SEGMENT.ss, ss, descriptor);
    cpu.setHalves(AT.gpr, rspLow, rspHigh, GPR.rsp);
  } else {
    commitOuterStack(cpu, { selector: ss, descriptor, pointer: BigInt(rspLow) }, target);
  }
  if (target.cpl !== before) dropInnerSegments(cpu, target.cpl);
  commitCode(cpu, target);
  return loadFlags(cpu, image, 8, before);
}

/** @returns hva of the frame, or 0: exception pending. */
function reachFrame(cpu: Cpu, cpl: number): number {
  const [low, high] = [cpu.low(AT.gpr, GPR.rsp), cpu.high(AT.gpr, GPR.rsp)];
  const endHigh = low + FRAME_BYTES > 0x1_0000_0000 ? high + 1 : high;
  if (isCanonicalHigh(cpu, high) && isCanonicalHigh(cpu, endHigh)) {
    return cpu.linear.reach(low | 0, high | 0, FRAME_BYTES, accessAt(cpu, cpl));
  }
  cpu.raise("SS", 0);
  return 0;
}

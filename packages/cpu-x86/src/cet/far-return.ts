// Returning by RET far and IRET: what the shadow stack says must be what the stack says. SDM vol. 2B, "RET"; vol. 2A,
// "IRET/IRETD/IRETQ". As in far-entry.ts, the last thing that may fault, which commits when it does not.
import { type CodeTarget, isCode64 } from "../segments/code-target.ts";
import { CET, CR4 } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { CP_ERROR } from "./control-protection.ts";
import { hasShadowStack } from "./controls.ts";
import { type TakenFrame, takeFrame } from "./shadow-frame.ts";
import { releaseShadowStack } from "./shadow-memory.ts";

const USER = 3;
/** The hole that a frame has behind it if SSP was no multiple of eight. */
const HOLE = 4n;

/**
 * Leaves the running code for `target`. @param selector as it stood on the stack. @param fromInterrupt IRET, which may change
 * shadow stacks at the same privilege. @returns false: exception pending.
 */
export function leaveByReturn(cpu: Cpu, selector: number, target: CodeTarget, fromInterrupt: boolean): boolean {
  if ((cpu.low(AT.cr4) & CR4.CET) === 0) return true;
  if (target.cpl !== cpu.cpl) return leaveOutward(cpu, selector, target);
  if (!hasShadowStack(cpu, cpu.cpl)) return true;
  const taken = takeFrame(cpu, selector, target);
  if (taken === undefined) return false;
  if (fromInterrupt && cpu.longMode && changesStack(taken)) releaseShadowStack(cpu, taken.behind, cpu.cpl);
  if (cpu.faulted) return false;
  cpu.set64(AT.ssp, taken.previous);
  return true;
}

/** The frame stands behind the token of a shadow stack of its own. */
const changesStack = ({ previous, behind }: TakenFrame): boolean => previous !== behind && previous !== behind + HOLE;

function leaveOutward(cpu: Cpu, selector: number, target: CodeTarget): boolean {
  let next = cpu.get64(AT.privilegeSsp, USER);
  let base = cpu.get64(AT.ssp);
  const had = hasShadowStack(cpu, cpu.cpl);
  if (had && (base & 7n) !== 0n) cpu.raise("CP", CP_ERROR.farReturn);
  else if (had && target.cpl !== USER) {
    const taken = takeFrame(cpu, selector, target);
    if (taken !== undefined) [next, base] = [taken.previous, taken.behind];
  }
  const has = hasShadowStack(cpu, target.cpl);
  if (has && next >> 32n !== 0n && !isCode64(cpu, target.descriptor)) cpu.raise("GP", 0);
  if (cpu.faulted) return false;
  if (had) releaseShadowStack(cpu, base, cpu.cpl);
  if (cpu.faulted) return false;
  if (has) cpu.set64(AT.ssp, next);
  return true;
}

/** IRET to virtual-8086 mode, for which there is no CET. @returns false: exception pending. */
export function leaveToVm86(cpu: Cpu): boolean {
  if ((cpu.low(AT.cr4) & CR4.CET) === 0) return true;
  if ((cpu.low(AT.cetControl, 1) & (CET.SH_STK_EN | CET.ENDBR_EN)) !== 0) cpu.raise("GP", 0);
  if (cpu.faulted || !hasShadowStack(cpu, cpu.cpl)) return !cpu.faulted;
  if ((cpu.get64(AT.ssp) & 7n) !== 0n) cpu.raise("CP", CP_ERROR.farReturn);
  else releaseShadowStack(cpu, cpu.get64(AT.ssp), cpu.cpl);
  if (!cpu.faulted) cpu.set64(AT.ssp, 0n);
  return !cpu.faulted;
}

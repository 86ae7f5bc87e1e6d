// Entering other code by events, far CALL and JMP, SYSCALL and SYSENTER: shadow stacks are switched, return addresses kept, and
// the entry has to be ENDBRANCH. SDM vol. 2A, "INT n/INTO/INT3/INT1", "CALL", "JMP"; vol. 2B, "SYSCALL", "SYSENTER".
//
// Each is the last thing of its transfer that may fault, and commits when it does not: the caller commits the rest.
import { type CodeTarget, isCode64 } from "../segments/code-target.ts";
import { IMPLICIT } from "../segments/tables.ts";
import { CR4 } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { awaitEndbranch } from "./branch-tracking.ts";
import { hasShadowStack, usesShadowStack } from "./controls.ts";
import { currentFrame, pushFrame, type ShadowFrame } from "./shadow-frame.ts";
import { mayPush, takeShadowStack } from "./shadow-memory.ts";

const USER = 3;
const FRAME_BYTES = 24;

const isOff = (cpu: Cpu): boolean => (cpu.low(AT.cr4) & CR4.CET) === 0;

/** Into a handler at `cpl`. @param ist of the gate, 0: none. @returns false: exception pending. */
export function enterByEvent(cpu: Cpu, cpl: number, ist: number): boolean {
  if (isOff(cpu)) return true;
  if (hasShadowStack(cpu, cpl)) {
    const inner = cpl !== cpu.cpl;
    const base = ist !== 0 ? tableEntry(cpu, ist) : inner ? cpu.get64(AT.privilegeSsp, cpl) : undefined;
    if (cpu.faulted || !enter(cpu, cpl, base)) return false;
  } else saveUserPointer(cpu, cpl);
  awaitEndbranch(cpu, cpl);
  return true;
}

/** By CALL, directly or through a gate. @returns false: exception pending. */
export function enterByCall(cpu: Cpu, target: CodeTarget): boolean {
  if (isOff(cpu)) return true;
  const { cpl } = target;
  if (hasShadowStack(cpu, cpl)) {
    const base = cpl === cpu.cpl ? undefined : cpu.get64(AT.privilegeSsp, cpl);
    if (!fitsCode(cpu, target, base ?? cpu.get64(AT.ssp)) || !enter(cpu, cpl, base)) return false;
  } else saveUserPointer(cpu, cpl);
  awaitEndbranch(cpu, cpl);
  return true;
}

/** By JMP, which stays at its privilege. @returns false: exception pending. */
export function enterByJump(cpu: Cpu, target: CodeTarget): boolean {
  if (isOff(cpu)) return true;
  if (usesShadowStack(cpu) && !fitsCode(cpu, target, cpu.get64(AT.ssp))) return false;
  awaitEndbranch(cpu, cpu.cpl);
  return true;
}

/** By SYSCALL and SYSENTER, before CPL changes: the kernel has no shadow stack until it takes one. */
export function enterByFastCall(cpu: Cpu): void {
  if (isOff(cpu)) return;
  if (usesShadowStack(cpu) && cpu.cpl === USER) cpu.set64(AT.privilegeSsp, cpu.get64(AT.ssp), USER);
  if (hasShadowStack(cpu, 0)) cpu.set64(AT.ssp, 0n);
  awaitEndbranch(cpu, 0);
}

/** By SYSRET and SYSEXIT: the user's shadow stack is where it was left. */
export function leaveByFastReturn(cpu: Cpu): void {
  if (hasShadowStack(cpu, USER)) cpu.set64(AT.ssp, cpu.get64(AT.privilegeSsp, USER));
}

/** 64-bit shadow-stack pointers are for 64-bit code. @returns false: #GP(0) pending. */
function fitsCode(cpu: Cpu, { descriptor }: CodeTarget, ssp: bigint): boolean {
  if (ssp >> 32n === 0n || isCode64(cpu, descriptor)) return true;
  cpu.raise("GP", 0);
  return false;
}

/** What an entry of less privilege leaves behind. */
function saveUserPointer(cpu: Cpu, cpl: number): void {
  if (cpl !== USER && cpu.cpl === USER && usesShadowStack(cpu)) {
    cpu.set64(AT.privilegeSsp, cpu.get64(AT.ssp), USER);
  }
}

/** SSP of an entry of the interrupt SSP table. */
function tableEntry(cpu: Cpu, ist: number): bigint {
  return cpu.linear.read64(cpu.get64(AT.interruptSspTable) + BigInt(ist * 8), IMPLICIT);
}

/** @param base of the shadow stack to change to; undefined: the current one is kept. */
function enter(cpu: Cpu, cpl: number, base: bigint | undefined): boolean {
  const frame = cpu.cpl === USER && cpl !== USER ? undefined : currentFrame(cpu);
  const ssp =
    base === undefined ? pushFrame(cpu, cpu.get64(AT.ssp), cpl, frame as ShadowFrame) : changeTo(cpu, base, cpl, frame);
  if (ssp === undefined) return false;
  saveUserPointer(cpu, cpl);
  cpu.set64(AT.ssp, ssp);
  return true;
}

/**
 * Takes the shadow stack at `base`, and keeps where the running code goes on on it.
 * @param frame undefined: that is user code, whose own shadow stack has it. @returns SSP, or undefined: exception pending.
 */
export function changeTo(cpu: Cpu, base: bigint, cpl: number, frame: ShadowFrame | undefined): bigint | undefined {
  const fits = (base & 7n) === 0n && (cpu.longMode || base >> 32n === 0n);
  // A token that is taken though the frame then cannot be pushed would be lost.
  const room = fits && (frame === undefined || mayPush(cpu, base - BigInt(FRAME_BYTES), FRAME_BYTES, cpl));
  if (!room || !takeShadowStack(cpu, base, cpl)) {
    cpu.raise("GP", 0);
    return undefined;
  }
  return frame === undefined ? base : pushFrame(cpu, base, cpl, frame);
}

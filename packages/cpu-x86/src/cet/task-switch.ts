// What task switches do to shadow stacks and branch tracking. SDM vol. 3A, "Task Switching"; vol. 1, "Shadow Stack Usage on Task
// Switch". A task's shadow-stack pointer stands behind the fields of its 32-bit TSS; 16-bit ones have none.
//
// Invariants:
// 1. `beforeSwitch` may fault in the name of the old task, and commits nothing but the token of its shadow stack.
// 2. `afterSwitch` runs with the registers of the new task, whose faults its own are.

import { errorCodeOf, IMPLICIT } from "../segments/tables.ts";
import type { SwitchCause } from "../segments/task-switch.ts";
import { CR4, FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { awaitEndbranch } from "./branch-tracking.ts";
import { CP_ERROR } from "./control-protection.ts";
import { hasShadowStack, tracksBranches, usesShadowStack } from "./controls.ts";
import { changeTo } from "./far-entry.ts";
import { currentFrame, readFrame, type ShadowFrame } from "./shadow-frame.ts";
import { releaseShadowStack } from "./shadow-memory.ts";

const USER = 3;
/** Offset in a 32-bit TSS. */
const TSS_SSP = 104;
const FRAME_BYTES = 24n;

/** The new task as far as it matters: its TSS, and where it begins. */
export interface IncomingTask {
  readonly base: number;
  readonly limit: number;
  readonly wide: boolean;
  readonly cs: number;
  readonly flags: number;
}

/** What the new task's shadow stack is to be. */
export interface SwitchedStack {
  /** Base of the shadow stack to take, or for IRET the SSP to go back to; undefined: the TSS has no room for one. */
  readonly ssp: bigint | undefined;
  /** Where the old task goes on, to be kept on the new shadow stack. */
  readonly frame: ShadowFrame | undefined;
  /** Where IRET must lead. */
  readonly expected: { readonly cs: bigint; readonly linear: bigint } | undefined;
}

/** @returns undefined: control flow is not enforced. An exception may be pending afterwards. */
export function beforeSwitch(cpu: Cpu, cause: SwitchCause, task: IncomingTask): SwitchedStack | undefined {
  if ((cpu.low(AT.cr4) & CR4.CET) === 0) return undefined;
  const cpl = (task.flags & FLAG.VM) !== 0 ? USER : task.cs & 3;
  if (cause === "iret") return leaveTask(cpu, cpl);
  const inward = cpu.cpl === USER && cpl !== USER;
  const keeps = usesShadowStack(cpu) && cause === "call" && !inward;
  if (usesShadowStack(cpu) && cause === "call" && inward) cpu.set64(AT.privilegeSsp, cpu.get64(AT.ssp), USER);
  return { ssp: stackOf(cpu, task), frame: keeps ? currentFrame(cpu) : undefined, expected: undefined };
}

function stackOf(cpu: Cpu, { base, limit, wide }: IncomingTask): bigint | undefined {
  if (!wide || limit < TSS_SSP + 3) return undefined;
  return BigInt(cpu.linear.read(BigInt(base) + BigInt(TSS_SSP), 4, IMPLICIT));
}

/** IRET gives the shadow stack back. */
function leaveTask(cpu: Cpu, cpl: number): SwitchedStack {
  let ssp = cpu.get64(AT.privilegeSsp, USER);
  let expected: SwitchedStack["expected"];
  if (!usesShadowStack(cpu)) return { ssp, frame: undefined, expected };
  let token = cpu.get64(AT.ssp);
  if (cpl === cpu.cpl || cpl !== USER) {
    const frame = readFrame(cpu);
    if (frame !== undefined) [ssp, expected, token] = [frame.ssp, frame, token + FRAME_BYTES];
  }
  if (!cpu.faulted) releaseShadowStack(cpu, token, cpu.cpl);
  if (!cpu.faulted) cpu.set64(AT.ssp, 0n);
  return { ssp, frame: undefined, expected };
}

/** Faults of what it finds are pending afterwards. */
export function afterSwitch(cpu: Cpu, cause: SwitchCause, stack: SwitchedStack | undefined): void {
  if (stack === undefined || cpu.faulted) return;
  const { cpl } = cpu;
  const refuse = (): void => void cpu.raise("TS", errorCodeOf(cpu.get32(AT.segSelector, SEGMENT.tr)));
  if (cpu.vm86) {
    if (hasShadowStack(cpu, cpl) || tracksBranches(cpu, cpl)) refuse();
    return;
  }
  if (cause === "iret") {
    returnTo(cpu, stack);
    return;
  }
  awaitEndbranch(cpu, cpl);
  if (!hasShadowStack(cpu, cpl)) return;
  if (stack.ssp === undefined || (stack.ssp & 7n) !== 0n) {
    refuse();
    return;
  }
  const ssp = changeTo(cpu, stack.ssp, cpl, stack.frame);
  if (ssp !== undefined) cpu.set64(AT.ssp, ssp);
}

function returnTo(cpu: Cpu, { ssp = 0n, expected }: SwitchedStack): void {
  if (expected !== undefined) {
    const { cs, linear } = currentFrame(cpu);
    if (expected.cs !== BigInt(cs) || expected.linear !== linear) cpu.raise("CP", CP_ERROR.farReturn);
  }
  if (cpu.faulted || !hasShadowStack(cpu, cpu.cpl)) return;
  if ((ssp & 3n) !== 0n || ssp >> 32n !== 0n) cpu.raise("CP", CP_ERROR.farReturn);
  else cpu.set64(AT.ssp, ssp);
}

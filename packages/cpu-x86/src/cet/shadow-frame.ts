// What far calls and events leave on a shadow stack for the return: CS, the linear address to return to, and the SSP before.
// SDM vol. 1, "Shadow Stack Usage on Privilege Level Changes"; vol. 2A, "CALL"; vol. 2B, "RET".
import type { CodeTarget } from "../segments/code-target.ts";
import { isCode64 } from "../segments/code-target.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { CP_ERROR } from "./control-protection.ts";
import { mayPush, readShadow, writeShadow } from "./shadow-memory.ts";

const FRAME_BYTES = 24n;
const SLOT = 8n;

/** What a return is to find. */
export interface ShadowFrame {
  readonly cs: number;
  readonly linear: bigint;
  readonly ssp: bigint;
}

/** The frame of the running code, whose next instruction is at rip. */
export function currentFrame(cpu: Cpu): ShadowFrame {
  const linear = cpu.code64 ? cpu.rip : (cpu.get64(AT.segBase, SEGMENT.cs) + cpu.rip) & 0xffff_ffffn;
  return { cs: cpu.get32(AT.segSelector, SEGMENT.cs), linear, ssp: cpu.get64(AT.ssp) };
}

/**
 * Pushes a frame below `ssp` on a shadow stack of `cpl`, behind a hole of four bytes if `ssp` is no multiple of eight.
 * @returns the new SSP, or undefined: exception pending, and nothing written.
 */
export function pushFrame(cpu: Cpu, ssp: bigint, cpl: number, frame: ShadowFrame): bigint | undefined {
  const aligned = ssp & ~7n;
  const top = aligned - FRAME_BYTES;
  if (!mayPush(cpu, top, Number(ssp - top), cpl)) return undefined;
  if (aligned !== ssp) writeShadow(cpu, aligned, 4, 0n, cpl);
  writeShadow(cpu, top + 2n * SLOT, 8, BigInt(frame.cs), cpl);
  writeShadow(cpu, top + SLOT, 8, frame.linear, cpl);
  writeShadow(cpu, top, 8, frame.ssp, cpl);
  return cpu.faulted ? undefined : BigInt.asUintN(64, top);
}

/** Where a frame was taken off: SSP as the frame has it, and behind it. */
export interface TakenFrame {
  readonly previous: bigint;
  readonly behind: bigint;
}

/**
 * Compares the frame at SSP with where a far return goes. @param selector as it stood on the stack.
 * @returns undefined: exception pending.
 */
export function takeFrame(cpu: Cpu, selector: number, target: CodeTarget): TakenFrame | undefined {
  const frame = readFrame(cpu);
  if (frame === undefined) return undefined;
  const wide = isCode64(cpu, target.descriptor);
  const matches = frame.cs === BigInt(selector) && frame.linear === linearOf(target, wide) && (frame.ssp & 3n) === 0n;
  if (!matches) cpu.raise("CP", CP_ERROR.farReturn);
  else if (!wide && frame.ssp >> 32n !== 0n) cpu.raise("GP", 0);
  else return { previous: frame.ssp, behind: BigInt.asUintN(64, cpu.get64(AT.ssp) + FRAME_BYTES) };
  return undefined;
}

/** The frame at SSP as it is. @returns undefined: exception pending. */
export function readFrame(cpu: Cpu): { cs: bigint; linear: bigint; ssp: bigint } | undefined {
  const top = cpu.get64(AT.ssp);
  if ((top & 7n) !== 0n) {
    cpu.raise("CP", CP_ERROR.farReturn);
    return undefined;
  }
  const slot = (index: bigint): bigint => readShadow(cpu, top + index * SLOT, 8, cpu.cpl);
  const frame = { ssp: slot(0n), linear: slot(1n), cs: slot(2n) };
  return cpu.faulted ? undefined : frame;
}

function linearOf({ descriptor, rip, ripHigh }: CodeTarget, wide: boolean): bigint {
  if (!wide) return BigInt((descriptor.base + rip) >>> 0);
  return (BigInt(ripHigh >>> 0) << 32n) | BigInt(rip >>> 0);
}

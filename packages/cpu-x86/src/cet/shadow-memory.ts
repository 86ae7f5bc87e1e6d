// Accesses to shadow stacks. SDM vol. 1, "Shadow Stacks"; vol. 3A, "Access Rights". They are rare enough to walk the page tables
// each time: the soft TLB knows nothing of shadow-stack pages but that they can be read.
import { ACCESS_READ, ACCESS_SHADOW, ACCESS_USER, ACCESS_WRITE } from "@tsvm/mmu";
import type { Cpu } from "../state/cpu.ts";

/** Set in the token of a supervisor shadow stack that some processor uses. */
const BUSY = 1n;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Access bits of a shadow stack of code at `cpl`. */
const accessAt = (cpl: number): number => ACCESS_SHADOW | (cpl === 3 ? ACCESS_USER : 0);

/** Reads an element of a shadow stack of `cpl`. @returns 0 after a fault. */
export function readShadow(cpu: Cpu, linear: bigint, size: 4 | 8, cpl: number): bigint {
  return cpu.linear.readShadow(BigInt.asUintN(64, linear), size, accessAt(cpl) | ACCESS_READ);
}

/** Writes one. Does nothing after a fault. */
export function writeShadow(cpu: Cpu, linear: bigint, size: 4 | 8, value: bigint, cpl: number): void {
  cpu.linear.writeShadow(BigInt.asUintN(64, linear), size, value & MASK_64, accessAt(cpl) | ACCESS_WRITE);
}

/** Whether `size` bytes of a shadow stack may be written; else an exception is pending. */
export function mayPush(cpu: Cpu, linear: bigint, size: number, cpl: number): boolean {
  return cpu.linear.probe(BigInt.asUintN(64, linear), size, accessAt(cpl) | ACCESS_WRITE);
}

/** Puts `value` where `expected` is, if it is. @returns whether it was. */
function exchange(cpu: Cpu, linear: bigint, cpl: number, expected: bigint, value: bigint): boolean {
  if (!mayPush(cpu, linear, 8, cpl) || readShadow(cpu, linear, 8, cpl) !== expected) return false;
  writeShadow(cpu, linear, 8, value, cpl);
  return true;
}

/** Takes the shadow stack of `cpl` whose token is at `linear`. @returns false: it is none, or taken, or a fault is pending. */
export function takeShadowStack(cpu: Cpu, linear: bigint, cpl: number): boolean {
  return exchange(cpu, linear, cpl, linear, linear | BUSY);
}

/** Gives it back. @returns false: it was not taken. */
export function releaseShadowStack(cpu: Cpu, linear: bigint, cpl: number): boolean {
  return exchange(cpu, linear, cpl, linear | BUSY, linear);
}

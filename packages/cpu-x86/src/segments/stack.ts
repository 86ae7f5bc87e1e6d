// Pushing to and popping from a stack before anything is committed: the current one, or one about to become current.
import { ACCESS_AC, ACCESS_USER } from "@tsvm/mmu";
import { FLAG, SEG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";
import { offsetsWithin } from "./cache.ts";
import { isCanonical } from "./canonical.ts";

/** Bytes of one stack slot. */
export type SlotSize = 2 | 4 | 8;

/** What a stack segment amounts to. */
export interface StackSegment {
  readonly base: number;
  readonly limit: number;
  readonly attributes: number;
}

/** Access bits of a program's own accesses at privilege `cpl`. */
export function accessAt(cpu: Cpu, cpl: number): number {
  if (cpl === 3) return ACCESS_USER;
  return (cpu.get32(AT.rflags) & FLAG.AC) !== 0 ? ACCESS_AC : 0;
}

/**
 * A stack pointer that moves ahead of the register. Violations raise #SS with the given error code; after a fault
 * nothing more is read or written, so that a caller may check once at the end.
 */
export class Stack {
  /** Offset of the top where the stack is wide; elsewhere `#top` has it, as a number. */
  #pointer = 0n;
  #top = 0;
  readonly #cpu: Cpu;
  readonly #wide: boolean;
  /** Bits of `#top`, signed. */
  readonly #mask: number;
  readonly #base: number;
  readonly #first: number;
  readonly #last: number;
  readonly #access: number;
  readonly #errorCode: number;

  /** @param wide the stack is used by 64-bit code: no base, no limit. @param cpl privilege of the accesses. */
  constructor(cpu: Cpu, segment: StackSegment, pointer: bigint, wide: boolean, cpl: number, errorCode = 0) {
    this.#cpu = cpu;
    this.#wide = wide;
    this.#mask = (segment.attributes & SEG.DB) !== 0 ? -1 : 0xffff;
    this.#base = segment.base;
    const { first, last } = offsetsWithin(segment.attributes, segment.limit);
    this.#first = first;
    this.#last = last;
    this.#access = accessAt(cpu, cpl);
    this.#errorCode = errorCode;
    if (wide) this.#pointer = BigInt.asUintN(64, pointer);
    else this.#top = (Number(BigInt.asIntN(32, pointer)) & this.#mask) >>> 0;
  }

  /** Offset of the top. */
  get pointer(): bigint {
    return this.#wide ? this.#pointer : BigInt(this.#top);
  }

  #move(bytes: number): void {
    if (this.#wide) this.#pointer = BigInt.asUintN(64, this.#pointer + BigInt(bytes));
    else this.#top = ((this.#top + bytes) & this.#mask) >>> 0;
  }

  push(value: bigint, size: SlotSize): void {
    this.#move(-size);
    const linear = this.#linear(size);
    if (linear === undefined) return;
    const { linear: memory } = this.#cpu;
    if (size === 8) memory.write64(linear, BigInt.asUintN(64, value), this.#access);
    else memory.write(linear, size, Number(BigInt.asUintN(32, value)), this.#access);
  }

  /** The same of what fits a number, on a stack that is not of 64-bit code: without bigints, for exceptions of 32-bit kernels. */
  pushWord(value: number, size: 2 | 4): void {
    this.#move(-size);
    const low = this.#low(size);
    if (low !== undefined) this.#cpu.linear.writeLow(low, size, value, this.#access);
  }

  /** 0 after a fault. */
  pop(size: SlotSize): bigint {
    const linear = this.#linear(size);
    this.#move(size);
    if (linear === undefined) return 0n;
    const { linear: memory } = this.#cpu;
    return size === 8 ? memory.read64(linear, this.#access) : BigInt(memory.read(linear, size, this.#access));
  }

  /** Moves past `bytes` bytes that are not looked at. */
  skip(bytes: number): void {
    this.#move(bytes);
  }

  /** What RSP becomes when this is the stack: 16-bit pointers leave the bits above alone. */
  mergedInto(rsp: bigint): bigint {
    return !this.#wide && this.#mask === 0xffff ? (rsp & ~0xffffn) | this.pointer : this.pointer;
  }

  #linear(size: number): bigint | undefined {
    if (!this.#wide) {
      const low = this.#low(size);
      return low === undefined ? undefined : BigInt(low >>> 0);
    }
    const pointer = this.#pointer;
    const last = BigInt.asUintN(64, pointer + BigInt(size - 1));
    if (isCanonical(this.#cpu, pointer) && isCanonical(this.#cpu, last)) return pointer;
    this.#cpu.raise("SS", this.#errorCode);
    return undefined;
  }

  /** Linear address of the top where the stack is not wide, signed; undefined: #SS is pending. */
  #low(size: number): number | undefined {
    if (this.#top >= this.#first && this.#top + size - 1 <= this.#last) return (this.#base + this.#top) | 0;
    this.#cpu.raise("SS", this.#errorCode);
    return undefined;
  }
}

/** The stack of SS:RSP at the current privilege. */
export function currentStack(cpu: Cpu): Stack {
  const segment = {
    base: cpu.low(AT.segBase, SEGMENT.ss),
    limit: cpu.get32(AT.segLimit, SEGMENT.ss),
    attributes: cpu.get32(AT.segAttributes, SEGMENT.ss),
  };
  return new Stack(cpu, segment, cpu.gpr64(GPR.rsp), cpu.code64, cpu.cpl);
}

/** Makes the pointer of `stack` RSP. */
export function commitStack(cpu: Cpu, stack: Stack): void {
  cpu.rsp = stack.mergedInto(cpu.rsp);
}

/** Adds to the stack pointer as a pop of `bytes` bytes does; the width is the stack's. */
export function releaseStack(cpu: Cpu, bytes: number): void {
  const stack = currentStack(cpu);
  stack.skip(bytes);
  commitStack(cpu, stack);
}

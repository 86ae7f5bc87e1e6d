import { CR4 } from "./bits.ts";
import type { Cpu } from "./cpu.ts";
import { AT } from "./layout.ts";
import { AVX512_STATE, XSTATE } from "./xstate.ts";

/**
 * Execution mode bits: what decoding and generated code may depend on besides the bytes. Part of the key of decoded code.
 */
export const MODE = {
  /** Bits 0-1: default operand size of code: 0 = 16-bit, 1 = 32-bit, 2 = 64-bit. */
  codeSizeMask: 3,
  code16: 0,
  code32: 1,
  code64: 2,
  /** SS.B: stack addresses are 32-bit (outside 64-bit mode). */
  stack32: 4,
  /** CS DS ES SS have base 0, limit 4 GiB and the usual types: addresses need neither base nor limit (32-bit code). */
  flat: 8,
  /** CR0.PE is clear, or RFLAGS.VM is set: selectors are paragraph numbers. */
  realAddressing: 16,
  /** Control flow is enforced (CET) at some privilege: near transfers have rows of their own, SYSCALL and IRET are helpers. */
  enforced: 32,
  /** The next instruction has to be ENDBRANCH. */
  awaitsEndbranch: 64,
  /**
   * AVX-512 state is enabled: there are EVEX instructions, and those with VEX clear all of a register. Not in `mode` of CPU
   * state, see {@link decodingMode}.
   */
  wideVectors: 128,
} as const;

/** Modes are below this. */
export const MODE_LIMIT = 256;

const WIDE_STATE = XSTATE.SSE | XSTATE.AVX | AVX512_STATE;

/** All that decoding depends on: `mode` of CPU state, and whether AVX-512 is enabled. */
export function decodingMode(cpu: Pick<Cpu, "get32" | "low">): number {
  const wide = (cpu.low(AT.xcr0) & WIDE_STATE) === WIDE_STATE && (cpu.low(AT.cr4) & CR4.OSXSAVE) !== 0;
  return cpu.get32(AT.mode) | (wide ? MODE.wideVectors : 0);
}

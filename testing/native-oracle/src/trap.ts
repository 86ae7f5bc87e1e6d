import type { CpuState } from "./cpu-state.ts";
import { codeSegmentBase, LONG_CODE, SEGMENT_NAMES } from "./environment.ts";
import type { Bytes, VectorException, VectorInput, VectorOutcome } from "./vector.ts";

/** Exception vectors that end a case without belonging to it. */
const BREAKPOINT = 3;
/** The only exception that reports an address. */
export const PAGE_FAULT = 14;
/** Error code bit of #PF: the access was an instruction fetch. */
const FETCH = 0x10;

/** Linear address of the instruction pointer; a far transfer may have changed the base it counts from. */
export function linearRip({ rip, selectors }: CpuState): bigint {
  return rip + codeSegmentBase(selectors[SEGMENT_NAMES.indexOf("cs")] ?? 0);
}

/** A far transfer from 64-bit code to narrower code leaves the upper halves of registers undefined. */
function clearUpperHalves({ gpr, selectors }: CpuState): void {
  if (selectors[SEGMENT_NAMES.indexOf("cs")] === LONG_CODE.selector) return;
  for (let i = 0; i < 8; i++) gpr[i] = BigInt.asUintN(32, gpr[i] ?? 0n);
}

/**
 * Something always stops a case: an exception of the instruction itself, the INT3 it runs into, or the fetch after it
 * where no code is. Tells them apart; `state` is adjusted to the end of the instruction.
 */
export function interpretTrap(
  input: VectorInput,
  trap: VectorException,
  state: CpuState,
  writes: readonly Bytes[],
): VectorOutcome {
  clearUpperHalves(state);
  const linear = linearRip(state);
  const offset = Number(linear) - input.codeAddress;
  if (trap.vector === BREAKPOINT && (offset <= 0 || offset > input.code.length)) {
    state.rip -= 1n;
    return { exception: undefined, state, writes };
  }
  const fetched = trap.vector === PAGE_FAULT && (trap.errorCode & FETCH) !== 0;
  if (fetched && offset !== 0 && trap.cr2 === linear) return { exception: undefined, state, writes };
  const { vector, errorCode } = trap;
  return { exception: { vector, errorCode, cr2: vector === PAGE_FAULT ? trap.cr2 : 0n }, state, writes };
}

import type { Draft } from "./draft.ts";
import { encodedLength, MAX_INSTRUCTION_BYTES } from "./encode.ts";

const NULL_PREFIXES = [0x26, 0x2e, 0x36, 0x3e] as const;
const REX = 0x40;

/**
 * Prefixes that change nothing, now and then: segment prefixes where there is no memory operand (in 64-bit code
 * anywhere), or a REX that a legacy prefix follows. Some pad the instruction to the 15 bytes that are allowed, or to
 * one more, which is #GP. SDM vol. 2A, "Instruction Prefixes"; vol. 3A, "Interrupt 13".
 */
export function addNoise(draft: Draft): void {
  const { random } = draft;
  if (!random.oneIn(24)) return;
  let count = 1;
  if (random.oneIn(4)) count = MAX_INSTRUCTION_BYTES - encodedLength(draft) + random.below(2);
  for (; count > 0; count--) draft.prefixes.unshift(nullPrefix(draft));
}

function nullPrefix({ random, environment, prefixes, memoryAddress }: Draft): number {
  const long = environment.codeBits === 64;
  if (long && prefixes.length > 0 && random.oneIn(3)) return REX | random.below(16);
  if (long || memoryAddress === undefined) return random.pick(NULL_PREFIXES);
  // DS is the default of most operands; where it is not, the address is a different one, which is as good.
  return 0x3e;
}

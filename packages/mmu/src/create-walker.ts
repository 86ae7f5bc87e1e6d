import { BareWalker } from "./bare.ts";
import type { BaseWalker } from "./base-walker.ts";
import { Legacy32Walker } from "./legacy32.ts";
import { Long4Walker } from "./long4.ts";
import { Long5Walker } from "./long5.ts";
import { PaeWalker } from "./pae.ts";
import type { PagingMode, PagingRegisters, PteMemory, Walker } from "./walker.ts";

const WALKERS = {
  bare: BareWalker,
  legacy32: Legacy32Walker,
  pae: PaeWalker,
  long4: Long4Walker,
  long5: Long5Walker,
} as const satisfies Record<PagingMode, new (memory: PteMemory) => BaseWalker>;

/**
 * A walker for one paging mode. A CPU makes one for each mode at its creation and switches between them: walkers keep
 * nothing that a mode switch would have to carry over, except that entering PAE paging loads the PDPTEs.
 * @param registers what differs from `DEFAULT_PAGING_REGISTERS`.
 * @throws RangeError (code `MMU_REGISTERS`) if a register value is out of range.
 */
export function createWalker(mode: PagingMode, memory: PteMemory, registers: Partial<PagingRegisters> = {}): Walker {
  const walker = new WALKERS[mode](memory);
  walker.configure(registers);
  return walker;
}

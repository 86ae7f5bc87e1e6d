import { createWalker } from "../create-walker.ts";
import type { PagingMode, PagingRegisters, PteMemory, Walker } from "../walker.ts";
import { FlattenedWalker } from "./flattened-walker.ts";

/** What the laboratory walks: every paging mode of processors, and formats that papers propose. */
export type TableMode = PagingMode | "flattened";

/** A walker for tables of any kind. @throws RangeError (code `MMU_REGISTERS`) */
export function createTableWalker(mode: TableMode, memory: PteMemory, registers: Partial<PagingRegisters>): Walker {
  if (mode !== "flattened") return createWalker(mode, memory, registers);
  const walker = new FlattenedWalker(memory);
  walker.configure(registers);
  return walker;
}

/** Whether addresses of the mode have 64 bits. */
export function isWideMode(mode: TableMode): boolean {
  return mode === "long4" || mode === "long5" || mode === "flattened";
}

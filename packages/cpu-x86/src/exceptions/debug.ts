import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** DR6 bits that tell why. SDM vol. 3B, "Debug Status Register (DR6)". */
export const DR6 = { BD: 1 << 13, BS: 1 << 14, BT: 1 << 15 } as const;

/** Makes #DB pending with its DR6 bits. The first exception of an instruction wins. */
export function raiseDebug(cpu: Cpu, conditions: number): void {
  if (cpu.faulted) return;
  cpu.raise("DB");
  cpu.setLow(AT.pendingAddress, conditions);
}

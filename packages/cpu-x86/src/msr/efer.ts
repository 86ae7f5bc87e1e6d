import { CR0, EFER } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import type { Msr } from "./define.ts";

/** IA32_EFER. SDM vol. 4; vol. 3A, "Initializing IA-32e Mode". LMA follows LME and CR0.PG and ignores writes. */
export const eferMsr: Msr = {
  index: 0xc000_0080,
  name: "IA32_EFER",
  read: (cpu) => cpu.get64(AT.efer),
  write: writeEfer,
};

function writeEfer(cpu: Cpu, value: bigint): boolean {
  const { features } = cpu.model;
  const writable =
    (features.has("syscall") ? EFER.SCE : 0) |
    (features.has("nx") ? EFER.NXE : 0) |
    (features.has("lm") ? EFER.LME | EFER.LMA : 0) |
    (features.has("auto-ibrs") ? EFER.AIBRSE : 0);
  if ((value & ~BigInt(writable)) !== 0n) return false;
  const old = cpu.low(AT.efer);
  const next = (Number(value) & ~EFER.LMA) | (old & EFER.LMA);
  const changed = old ^ next;
  // Long mode cannot be switched on or off under paging.
  if ((changed & EFER.LME) !== 0 && (cpu.low(AT.cr0) & CR0.PG) !== 0) return false;
  cpu.setLow(AT.efer, next);
  if ((changed & EFER.NXE) !== 0) cpu.linear.pagingChanged(false);
  return true;
}

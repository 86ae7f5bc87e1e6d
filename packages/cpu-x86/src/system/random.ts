import { ARITHMETIC_FLAGS, FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/**
 * RDRAND. CF = 1 and a random number in the register, or CF = 0 and 0 there if the host has none to give; the
 * other arithmetic flags are 0. Arguments: byte offset in the general register file, bits. SDM vol. 2B, RDRAND.
 */
export function rdrand(cpu: Cpu): HelperResult {
  const { host, view } = cpu;
  const at = AT.gpr + cpu.arg32(0);
  const width = cpu.arg32(1);
  const low = host.random?.() ?? 0;
  if (width === 16) view.setUint16(at, low & 0xffff, true);
  else {
    view.setUint32(at, low, true);
    view.setUint32(at + 4, width === 64 ? (host.random?.() ?? 0) : 0, true);
  }
  cpu.rflags = (cpu.rflags & ~ARITHMETIC_FLAGS) | (host.random === undefined ? 0 : FLAG.CF);
  return HELPER.next;
}

// INVLPG INVPCID and the cache instructions. SDM vol. 2, the instruction of each name. There are no caches: those only
// check.

import { isCanonicalBase } from "../segments/canonical.ts";
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { readBlock } from "./memory-block.ts";

/** INVLPG. Argument: linear address; a non-canonical one does nothing. */
export function invlpg(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  cpu.linear.flushPage(cpu.low(AT.helperArgs), cpu.code64 ? cpu.high(AT.helperArgs) : 0);
  return HELPER.jump;
}

/** INVD, WBINVD. */
export function checkSupervisor(cpu: Cpu): HelperResult {
  return cpu.cpl !== 0 ? cpu.raise("GP", 0) : HELPER.next;
}

const descriptor = new Uint8Array(16);
const descriptorView = new DataView(descriptor.buffer);
/** INVPCID types. */
const INDIVIDUAL_ADDRESS = 0n;
const SINGLE_CONTEXT = 1n;
const ALL_BUT_GLOBAL = 3n;

/** INVPCID. Arguments: type, linear address of the descriptor. */
export function invpcid(cpu: Cpu): HelperResult {
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const type = cpu.arg64(0);
  if (type > ALL_BUT_GLOBAL) return cpu.raise("GP", 0);
  if (!readBlock(cpu, cpu.arg64(1), descriptor, cpu.explicitAccess)) return HELPER.fault;
  const pcid = descriptorView.getBigUint64(0, true);
  const linear = descriptorView.getBigUint64(8, true);
  const named = type === INDIVIDUAL_ADDRESS || type === SINGLE_CONTEXT;
  const pcide = (cpu.low(AT.cr4) & CR4.PCIDE) !== 0;
  if (pcid > 0xfffn || (named && pcid !== 0n && !pcide)) return cpu.raise("GP", 0);
  if (type === INDIVIDUAL_ADDRESS && !isCanonicalBase(cpu, linear)) return cpu.raise("GP", 0);
  const current = pcide ? BigInt(cpu.low(AT.cr3) & 0xfff) : 0n;
  if (type !== INDIVIDUAL_ADDRESS || pcid !== current) cpu.linear.flushAll();
  else cpu.linear.flushPage(Number(linear & 0xffff_ffffn) | 0, Number(linear >> 32n) | 0);
  return HELPER.jump;
}

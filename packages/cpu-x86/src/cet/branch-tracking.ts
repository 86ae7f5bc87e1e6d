// Indirect branch tracking. SDM vol. 1, "Indirect Branch Tracking", "Indirect Branch Tracking State Machine", "Legacy
// Compatibility Treatment".
import { ACCESS_USER } from "@tsvm/mmu";
import { recomputeMode } from "../segments/cache.ts";
import { CET, FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { CP_ERROR } from "./control-protection.ts";
import { controlIndex, tracksBranches } from "./controls.ts";

const PAGE_SHIFT = 12n;

/** Changes the tracker of a privilege level; the caller recomputes the mode. */
function setTracker(cpu: Cpu, cpl: number, bits: number): void {
  const index = controlIndex(cpl);
  const kept = cpu.low(AT.cetControl, index) & ~(CET.TRACKER | CET.SUPPRESS);
  cpu.setHalves(AT.cetControl, (kept | bits) >>> 0, cpu.high(AT.cetControl, index), index);
}

/**
 * What far transfers into code at `cpl` do, events and fast calls among them: it has to begin with ENDBRANCH, even if tracking
 * was suppressed. The mode follows when it is recomputed.
 */
export function awaitEndbranch(cpu: Cpu, cpl: number): void {
  if (tracksBranches(cpu, cpl)) setTracker(cpu, cpl, CET.TRACKER);
}

/** ENDBR32 and ENDBR64 in code of their own size, where they are more than NOP. */
export function endBranch(cpu: Cpu): HelperResult {
  setTracker(cpu, cpu.cpl, 0);
  recomputeMode(cpu);
  return HELPER.jump;
}

/**
 * An indirect branch has led to an instruction, at rip, that is not ENDBRANCH: #CP, or the bitmap of legacy code pages says
 * that it may.
 */
export function missingEndbranch(cpu: Cpu): HelperResult {
  const { cpl } = cpu;
  const isLegacy = isLegacyCode(cpu);
  if (cpu.faulted) return HELPER.fault;
  if (!isLegacy) return cpu.raise("CP", CP_ERROR.endbranch);
  const suppresses = (cpu.low(AT.cetControl, controlIndex(cpl)) & CET.SUPPRESS_DIS) === 0;
  setTracker(cpu, cpl, suppresses ? CET.SUPPRESS : 0);
  recomputeMode(cpu);
  return HELPER.jump;
}

/** Looks up the page of rip in the bitmap, a bit a page. An exception may be pending afterwards. */
function isLegacyCode(cpu: Cpu): boolean {
  const controls = cpu.get64(AT.cetControl, controlIndex(cpu.cpl));
  if ((controls & BigInt(CET.LEG_IW_EN)) === 0n) return false;
  const linear = cpu.code64 ? cpu.rip : (cpu.get64(AT.segBase, SEGMENT.cs) + cpu.rip) & 0xffff_ffffn;
  const page = (linear & 0xffff_ffff_ffffn) >> PAGE_SHIFT;
  const base = (controls >> PAGE_SHIFT) << PAGE_SHIFT;
  const byte = cpu.linear.read(BigInt.asUintN(64, base + (page >> 3n)), 1, accessOf(cpu));
  return ((byte >> Number(page & 7n)) & 1) !== 0;
}

/** The program's own access; SMAP does not stand in the way of a supervisor's bitmap. */
function accessOf(cpu: Cpu): number {
  return cpu.cpl === 3 ? ACCESS_USER : cpu.get32(AT.rflags) & FLAG.AC;
}

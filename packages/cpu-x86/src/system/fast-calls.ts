// SYSCALL SYSRET SYSENTER SYSEXIT SWAPGS and the FS/GS base instructions. SDM vol. 2B, the instruction of each name; AMD
// APM vol. 3, "SYSCALL", "SYSRET". Segment caches are loaded with constants: no descriptor is read.
import { enterByFastCall, leaveByFastReturn } from "../cet/far-entry.ts";
import { recomputeMode, setSegmentCache } from "../segments/cache.ts";
import { isCanonical, isCanonicalBase } from "../segments/canonical.ts";
import { changeFlags } from "../segments/return-flags.ts";
import { CR4, EFER, FLAG, SEG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, type FieldName, GPR, SEGMENT } from "../state/layout.ts";

const FLAT_LIMIT = 0xffff_ffff;
/** Access rights of the flat segments that fast calls load; DPL is added. */
const CODE_64 = SEG.G | SEG.L | SEG.P | SEG.S | SEG.CODE | SEG.READABLE | SEG.ACCESSED;
const CODE_32 = SEG.G | SEG.DB | SEG.P | SEG.S | SEG.CODE | SEG.READABLE | SEG.ACCESSED;
const DATA = SEG.G | SEG.DB | SEG.P | SEG.S | SEG.WRITABLE | SEG.ACCESSED;

function loadFlat(cpu: Cpu, cpl: 0 | 3, cs: number, ss: number, code: number): void {
  if (cpl === 0) enterByFastCall(cpu);
  else leaveByFastReturn(cpu);
  const dpl = cpl << SEG.dplShift;
  setSegmentCache(cpu, SEGMENT.cs, cs, 0, FLAT_LIMIT, code | dpl);
  setSegmentCache(cpu, SEGMENT.ss, ss, 0, FLAT_LIMIT, DATA | dpl);
  cpu.set32(AT.cpl, cpl);
  recomputeMode(cpu);
}

/** Copies a 64-bit field without making a bigint of it. */
function copy(cpu: Cpu, from: FieldName, fromIndex: number, to: FieldName, toIndex: number): void {
  const { u32 } = cpu;
  const [source, target] = [(AT[from] >> 2) + fromIndex * 2, (AT[to] >> 2) + toIndex * 2];
  u32[target] = u32[source] as number;
  u32[target + 1] = u32[source + 1] as number;
}

function isAmd(cpu: Cpu): boolean {
  return cpu.model.vendor === "AuthenticAMD";
}

/** SYSCALL. Intel processors know it in 64-bit mode only, AMD's in all of protected mode. */
export function syscall(cpu: Cpu): HelperResult {
  const { code64 } = cpu;
  if ((cpu.low(AT.efer) & EFER.SCE) === 0 || !cpu.protectedMode || cpu.vm86) return cpu.raise("UD");
  if (!code64 && !isAmd(cpu)) return cpu.raise("UD");
  const cs = cpu.high(AT.star) & 0xfffc;
  copy(cpu, "rip", 0, "gpr", GPR.rcx);
  if (!cpu.longMode) return syscallLegacy(cpu, cs);
  const flags = cpu.rflags & ~FLAG.RF;
  cpu.setGpr32(GPR.r11, flags);
  cpu.rflags = flags & ~cpu.low(AT.sfmask) & ~FLAG.VM;
  copy(cpu, code64 ? "lstar" : "cstar", 0, "rip", 0);
  loadFlat(cpu, 0, cs, (cs + 8) & 0xffff, CODE_64);
  return HELPER.jump;
}

/** AMD outside long mode: the target stands in STAR. */
function syscallLegacy(cpu: Cpu, cs: number): HelperResult {
  cpu.setLow(AT.rip, cpu.low(AT.star));
  cpu.rflags = cpu.rflags & ~(FLAG.IF | FLAG.RF | FLAG.VM);
  loadFlat(cpu, 0, cs, (cs + 8) & 0xffff, CODE_32);
  return HELPER.jump;
}

/** SYSRET. Argument: operand size in bits; 64 returns to 64-bit code. */
export function sysret(cpu: Cpu): HelperResult {
  const wide = cpu.arg32(0) === 64;
  const { longMode } = cpu;
  if ((cpu.low(AT.efer) & EFER.SCE) === 0 || !cpu.protectedMode || cpu.vm86) return cpu.raise("UD");
  if (!cpu.code64 && !isAmd(cpu)) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  // AMD's jump first and fault in user mode.
  if (wide && !isAmd(cpu) && !isCanonical(cpu, cpu.gpr64(GPR.rcx))) return cpu.raise("GP", 0);
  const base = cpu.high(AT.star) >>> 16;
  if (wide) copy(cpu, "gpr", GPR.rcx, "rip", 0);
  else cpu.setLow(AT.rip, cpu.gpr32(GPR.rcx));
  const cs = wide ? base + 16 : base;
  loadFlat(cpu, 3, (cs & 0xffff) | 3, ((base + 8) & 0xffff) | 3, wide ? CODE_64 : CODE_32);
  const flags = longMode ? cpu.gpr32(GPR.r11) : cpu.rflags | FLAG.IF;
  return changeFlags(cpu, flags & ~(FLAG.RF | FLAG.VM));
}

/** SYSENTER. AMD's refuse it in long mode. */
export function sysenter(cpu: Cpu): HelperResult {
  const { longMode } = cpu;
  if (longMode && isAmd(cpu)) return cpu.raise("UD");
  const cs = cpu.low(AT.sysenterCs) & 0xfffc;
  if (!cpu.protectedMode || cs === 0) return cpu.raise("GP", 0);
  cpu.rflags = cpu.rflags & ~(FLAG.VM | FLAG.IF | FLAG.RF);
  if (longMode) {
    copy(cpu, "sysenterEsp", 0, "gpr", GPR.rsp);
    copy(cpu, "sysenterEip", 0, "rip", 0);
  } else {
    cpu.setGpr32(GPR.rsp, cpu.low(AT.sysenterEsp));
    cpu.setLow(AT.rip, cpu.low(AT.sysenterEip));
  }
  loadFlat(cpu, 0, cs, cs + 8, longMode ? CODE_64 : CODE_32);
  return HELPER.jump;
}

/** SYSEXIT. Argument: operand size in bits; 64 returns to 64-bit code. */
export function sysexit(cpu: Cpu): HelperResult {
  const wide = cpu.arg32(0) === 64;
  if (cpu.longMode && isAmd(cpu)) return cpu.raise("UD");
  const base = cpu.low(AT.sysenterCs) & 0xfffc;
  if (!cpu.protectedMode || cpu.cpl !== 0 || base === 0) return cpu.raise("GP", 0);
  const [rip, rsp] = [cpu.gpr64(GPR.rdx), cpu.gpr64(GPR.rcx)];
  if (wide && !(isCanonical(cpu, rip) && isCanonical(cpu, rsp))) return cpu.raise("GP", 0);
  cpu.rip = wide ? rip : rip & 0xffff_ffffn;
  cpu.rsp = wide ? rsp : rsp & 0xffff_ffffn;
  const cs = base + (wide ? 32 : 16);
  loadFlat(cpu, 3, (cs & 0xffff) | 3, ((cs + 8) & 0xffff) | 3, wide ? CODE_64 : CODE_32);
  return HELPER.jump;
}

/** SWAPGS. */
export function swapgs(cpu: Cpu): HelperResult {
  if (!cpu.code64) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const { u32 } = cpu;
  const [gs, kernel] = [(AT.segBase >> 2) + SEGMENT.gs * 2, AT.kernelGsBase >> 2];
  for (const half of [0, 1]) {
    const kept = u32[gs + half] as number;
    u32[gs + half] = u32[kernel + half] as number;
    u32[kernel + half] = kept;
  }
  return HELPER.next;
}

/** RDFSBASE, RDGSBASE. Arguments: SEGMENT, byte offset of the register, operand size in bits. */
export function readSegmentBase(cpu: Cpu): HelperResult {
  if (!mayUseBases(cpu)) return cpu.raise("UD");
  const [segment, register] = [cpu.arg32(0), cpu.arg32(1) >> 3];
  if (cpu.arg32(2) === 64) copy(cpu, "segBase", segment, "gpr", register);
  else cpu.setGpr32(register, cpu.low(AT.segBase, segment));
  return HELPER.next;
}

/** WRFSBASE, WRGSBASE. Arguments: SEGMENT, value zero-extended to 64 bits. */
export function writeSegmentBase(cpu: Cpu): HelperResult {
  if (!mayUseBases(cpu)) return cpu.raise("UD");
  const value = cpu.arg64(1);
  if (!isCanonicalBase(cpu, value)) return cpu.raise("GP", 0);
  cpu.set64(AT.segBase, value, cpu.arg32(0));
  return HELPER.next;
}

function mayUseBases(cpu: Cpu): boolean {
  return cpu.code64 && (cpu.low(AT.cr4) & CR4.FSGSBASE) !== 0;
}

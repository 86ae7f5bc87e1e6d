// Processor state after power-up, reset and INIT. SDM vol. 3A, "Processor State After Reset".

import { PAT_RESET } from "../msr/memory-types.ts";
import { MISC_ENABLE_RESET } from "../msr/table.ts";
import { REAL_ATTRIBUTES, recomputeMode, setSegmentCache } from "../segments/cache.ts";
import { SYSTEM_TYPE } from "../segments/descriptor.ts";
import { DR6_RESET, DR7_RESET } from "../system/debug-registers.ts";
import { MXCSR_MASK, MXCSR_RESET } from "../xstate/x87-image.ts";
import { CR0, SEG } from "./bits.ts";
import type { Cpu } from "./cpu.ts";
import { AT, ELEMENT_SIZE, type FieldName, GPR, SEGMENT } from "./layout.ts";
import { XSTATE } from "./xstate.ts";

const ZEROED_64: readonly FieldName[] = [
  "cr2",
  "cr3",
  "cr4",
  "efer",
  "star",
  "lstar",
  "cstar",
  "sfmask",
  "kernelGsBase",
  "sysenterCs",
  "sysenterEsp",
  "sysenterEip",
  "tscAux",
  "mtrrDefType",
  "sysCfg",
  "hwcr",
  "kvmSystemTime",
  "kvmWallClock",
  "gdtrBase",
  "idtrBase",
  "pendingAddress",
  "pkrs",
  "ssp",
  "interruptSspTable",
  "xss",
];
const ZEROED_32: readonly FieldName[] = [
  "pendingVector",
  "interruptShadow",
  "nmiBlocked",
  "halted",
  "cpl",
  "interruptRequest",
  "pkru",
];

/** Everything but the time-stamp counter, which runs on. Execution starts at F000:FFF0, base FFFF0000. */
export function resetState(cpu: Cpu): void {
  for (const field of ZEROED_64) cpu.set64(field, 0n);
  for (const field of ZEROED_32) cpu.set32(field, 0);
  for (let i = 0; i < 16; i++) cpu.setGpr64(i, 0n);
  const { family, model, stepping } = cpu.model;
  cpu.setGpr32(GPR.rdx, (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping);
  cpu.rip = 0xfff0n;
  cpu.rflags = 2;
  cpu.set64(AT.cr0, BigInt((CR0.CD | CR0.NW | CR0.ET) >>> 0));
  cpu.set64(AT.xcr0, 1n);
  resetSegments(cpu);
  for (let i = 0; i < 8; i++) cpu.set64(AT.dr, 0n, i);
  for (let i = 0; i < 2; i++) cpu.set64(AT.cetControl, 0n, i);
  for (let i = 0; i < 4; i++) cpu.set64(AT.privilegeSsp, 0n, i);
  cpu.setLow(AT.dr, DR6_RESET, 6);
  cpu.setLow(AT.dr, DR7_RESET, 7);
  cpu.set64(AT.pat, PAT_RESET);
  cpu.set64(AT.miscEnable, MISC_ENABLE_RESET);
  resetFpu(cpu);
  cpu.linear.pagingChanged(false);
  recomputeMode(cpu);
}

function resetSegments(cpu: Cpu): void {
  for (let i = 0; i < 6; i++) setSegmentCache(cpu, i, 0, 0, 0xffff, REAL_ATTRIBUTES);
  setSegmentCache(cpu, SEGMENT.cs, 0xf000, 0xffff_0000, 0xffff, REAL_ATTRIBUTES);
  setSegmentCache(cpu, SEGMENT.ldtr, 0, 0, 0xffff, SEG.P | SYSTEM_TYPE.ldt);
  setSegmentCache(cpu, SEGMENT.tr, 0, 0, 0xffff, SEG.P | SYSTEM_TYPE.tss32Busy);
  cpu.set32(AT.gdtrLimit, 0xffff);
  cpu.set32(AT.idtrLimit, 0xffff);
}

/** After reset (not INIT, which is treated alike) the control word is 0040, not FNINIT's. */
function resetFpu(cpu: Cpu): void {
  cpu.xstate.initializeState(0, XSTATE.X87, 0);
  cpu.set32(AT.fpuControl, 0x40);
  cpu.set32(AT.fpuTag, 0xff);
  cpu.set32(AT.mxcsr, MXCSR_RESET);
  cpu.set32(AT.mxcsrMask, MXCSR_MASK);
  cpu.u8.fill(0, AT.zmm, AT.zmm + 32 * ELEMENT_SIZE.zmm);
  cpu.u8.fill(0, AT.opmask, AT.opmask + 8 * ELEMENT_SIZE.opmask);
}

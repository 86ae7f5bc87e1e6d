// The legacy region of FXSAVE and XSAVE. SDM vol. 1, "FXSAVE Area" and "Legacy Region of an XSAVE Area".
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";

/** Bytes of the region. */
export const LEGACY_BYTES = 512;
/** MXCSR after reset. */
export const MXCSR_RESET = 0x1f80;
/** MXCSR bits that exist, DAZ among them. */
export const MXCSR_MASK = 0xffff;
const MXCSR = 24;
const MXCSR_MASK_AT = 28;
const X87_REGISTERS = 32;
const XMM_REGISTERS = 160;

/** The control words, pointers and registers of the x87. @param wide pointers are 64 bits, without selectors. */
export function writeX87(cpu: Cpu, area: DataView, wide: boolean): void {
  const top = topOf(cpu);
  area.setUint16(0, cpu.get32("fpuControl"), true);
  area.setUint16(2, cpu.get32("fpuStatus"), true);
  area.setUint16(4, cpu.get32("fpuTag") & 0xff, true);
  area.setUint16(6, cpu.get32("fpuOpcode") & 0x7ff, true);
  writePointer(cpu, area, 8, "fpuIp", "fpuCs", wide);
  writePointer(cpu, area, 16, "fpuDp", "fpuDs", wide);
  for (let i = 0; i < 8; i++) {
    const at = AT.fpr + ((top + i) & 7) * ELEMENT_SIZE.fpr;
    const slot = X87_REGISTERS + i * 16;
    area.setBigUint64(slot, cpu.view.getBigUint64(at, true), true);
    area.setUint16(slot + 8, cpu.view.getUint16(at + 8, true), true);
    area.setUint16(slot + 10, 0, true);
    area.setUint32(slot + 12, 0, true);
  }
}

function writePointer(
  cpu: Cpu,
  area: DataView,
  at: number,
  offset: "fpuIp" | "fpuDp",
  selector: "fpuCs" | "fpuDs",
  wide: boolean,
): void {
  area.setUint32(at, cpu.low(offset), true);
  area.setUint32(at + 4, wide ? cpu.high(offset) : cpu.get32(selector) & 0xffff, true);
}

/** The reverse of {@link writeX87}. */
export function readX87(cpu: Cpu, area: DataView, wide: boolean): void {
  cpu.set32("fpuControl", area.getUint16(0, true));
  cpu.set32("fpuStatus", area.getUint16(2, true));
  cpu.set32("fpuTag", area.getUint8(4));
  cpu.set32("fpuOpcode", area.getUint16(6, true) & 0x7ff);
  readPointer(cpu, area, 8, "fpuIp", "fpuCs", wide);
  readPointer(cpu, area, 16, "fpuDp", "fpuDs", wide);
  const top = topOf(cpu);
  for (let i = 0; i < 8; i++) {
    const at = AT.fpr + ((top + i) & 7) * ELEMENT_SIZE.fpr;
    const slot = X87_REGISTERS + i * 16;
    cpu.view.setBigUint64(at, area.getBigUint64(slot, true), true);
    cpu.view.setUint16(at + 8, area.getUint16(slot + 8, true), true);
  }
}

function readPointer(
  cpu: Cpu,
  area: DataView,
  at: number,
  offset: "fpuIp" | "fpuDp",
  selector: "fpuCs" | "fpuDs",
  wide: boolean,
): void {
  const high = area.getUint32(at + 4, true);
  cpu.set64(offset, BigInt(area.getUint32(at, true)) | (wide ? BigInt(high) << 32n : 0n));
  cpu.set32(selector, wide ? 0 : high & 0xffff);
}

function topOf(cpu: Cpu): number {
  return (cpu.get32("fpuStatus") >> 11) & 7;
}

const X87_CONTROL = 0x37f;
const X87_ZEROED = ["fpuStatus", "fpuTag", "fpuOpcode", "fpuCs", "fpuDs"] as const;

/** x87 state as after FNINIT. */
export function initX87(cpu: Cpu): void {
  cpu.set32("fpuControl", X87_CONTROL);
  for (const field of X87_ZEROED) cpu.set32(field, 0);
  cpu.set64("fpuIp", 0n);
  cpu.set64("fpuDp", 0n);
  cpu.u8.fill(0, AT.fpr, AT.fpr + 8 * ELEMENT_SIZE.fpr);
}

/** Whether nothing was done since FNINIT. */
export function isX87Initial(cpu: Cpu): boolean {
  if (cpu.get32("fpuControl") !== X87_CONTROL || X87_ZEROED.some((field) => cpu.get32(field) !== 0)) return false;
  if (cpu.get64("fpuIp") !== 0n || cpu.get64("fpuDp") !== 0n) return false;
  return cpu.u8.subarray(AT.fpr, AT.fpr + 8 * ELEMENT_SIZE.fpr).every((byte) => byte === 0);
}

export function writeMxcsr(cpu: Cpu, area: DataView): void {
  area.setUint32(MXCSR, cpu.get32("mxcsr"), true);
  area.setUint32(MXCSR_MASK_AT, cpu.get32("mxcsrMask"), true);
}

/** @returns false: reserved bits are set, nothing was loaded; #GP(0) is the caller's. */
export function isValidMxcsr(cpu: Cpu, area: DataView): boolean {
  return (area.getUint32(MXCSR, true) & ~cpu.get32("mxcsrMask")) === 0;
}

export function readMxcsr(cpu: Cpu, area: DataView): void {
  cpu.set32("mxcsr", area.getUint32(MXCSR, true));
}

/** Vector registers that the current mode has. */
export function vectorCount(cpu: Cpu): 8 | 16 {
  return cpu.code64 ? 16 : 8;
}

export function writeXmm(cpu: Cpu, area: Uint8Array): void {
  for (let i = 0; i < vectorCount(cpu); i++) {
    const at = AT.zmm + i * ELEMENT_SIZE.zmm;
    area.set(cpu.u8.subarray(at, at + 16), XMM_REGISTERS + i * 16);
  }
}

export function readXmm(cpu: Cpu, area: Uint8Array): void {
  for (let i = 0; i < vectorCount(cpu); i++) {
    const slot = XMM_REGISTERS + i * 16;
    cpu.u8.set(area.subarray(slot, slot + 16), AT.zmm + i * ELEMENT_SIZE.zmm);
  }
}

export function clearXmm(cpu: Cpu): void {
  for (let i = 0; i < vectorCount(cpu); i++) {
    const at = AT.zmm + i * ELEMENT_SIZE.zmm;
    cpu.u8.fill(0, at, at + 16);
  }
}

/** Zeroes all vector and mask registers, whole. */
export function clearVectors(cpu: Cpu): void {
  cpu.u8.fill(0, AT.zmm, AT.zmm + 32 * ELEMENT_SIZE.zmm);
  cpu.u8.fill(0, AT.opmask, AT.opmask + 8 * ELEMENT_SIZE.opmask);
}

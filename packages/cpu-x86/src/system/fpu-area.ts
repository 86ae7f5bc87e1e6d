// The legacy region of FXSAVE and XSAVE. SDM vol. 1, "FXSAVE Area" and "Legacy Region of an XSAVE Area".
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import type { SaveArea } from "./save-area.ts";

/** Bytes of the region. */
export const LEGACY_BYTES = 512;
/** MXCSR after reset. */
export const MXCSR_RESET = 0x1f80;
/** MXCSR bits that exist, DAZ among them. */
export const MXCSR_MASK = 0xffff;
/** Byte offsets in the region, of 16 bytes each: control words and instruction pointer, data pointer and MXCSR. */
const CONTROL = 0;
const DATA = 16;
const X87_REGISTERS = 32;
/** Where XMM registers are. */
export const XMM_REGISTERS = 160;

// Places in `Cpu.u32`.
const FCW = AT.fpuControl >> 2;
const FSW = AT.fpuStatus >> 2;
const FTW = AT.fpuTag >> 2;
const FOP = AT.fpuOpcode >> 2;
const FIP = AT.fpuIp >> 2;
const FDP = AT.fpuDp >> 2;
const FCS = AT.fpuCs >> 2;
const FDS = AT.fpuDs >> 2;
const MXCSR = AT.mxcsr >> 2;
const MASK = AT.mxcsrMask >> 2;
const FPR = AT.fpr >> 2;
const FPR_WORDS = ELEMENT_SIZE.fpr >> 2;
const ALL_FPR_WORDS = 8 * FPR_WORDS;

/** Upper half of the third word of a register in CPU state: above sign and exponent. */
const ABOVE_EXPONENT = 0xffff_0000;

/** The control words, pointers and registers of the x87. @param wide pointers are 64 bits, without selectors. */
export function writeX87(cpu: Cpu, area: SaveArea, wide: boolean): void {
  const { u32 } = cpu;
  const { words } = area;
  const control = area.word(CONTROL);
  const status = u32[FSW] as number;
  words[control] = ((u32[FCW] as number) & 0xffff) | (status << 16);
  words[control + 1] = ((u32[FTW] as number) & 0xff) | (((u32[FOP] as number) & 0x7ff) << 16);
  words[control + 2] = u32[FIP] as number;
  words[control + 3] = wide ? (u32[FIP + 1] as number) : (u32[FCS] as number) & 0xffff;
  const data = area.word(DATA);
  words[data] = u32[FDP] as number;
  words[data + 1] = wide ? (u32[FDP + 1] as number) : (u32[FDS] as number) & 0xffff;
  for (let i = 0; i < 8; i++) {
    const from = registerWord(status, i);
    const to = area.word(X87_REGISTERS + i * 16);
    words[to] = u32[from] as number;
    words[to + 1] = u32[from + 1] as number;
    words[to + 2] = (u32[from + 2] as number) & ~ABOVE_EXPONENT;
    words[to + 3] = 0;
  }
}

/** The reverse of {@link writeX87}. */
export function readX87(cpu: Cpu, area: SaveArea, wide: boolean): void {
  const { u32 } = cpu;
  const { words } = area;
  const control = area.word(CONTROL);
  const status = (words[control] as number) >>> 16;
  u32[FCW] = (words[control] as number) & 0xffff;
  u32[FSW] = status;
  u32[FTW] = (words[control + 1] as number) & 0xff;
  u32[FOP] = ((words[control + 1] as number) >>> 16) & 0x7ff;
  u32[FIP] = words[control + 2] as number;
  u32[FIP + 1] = wide ? (words[control + 3] as number) : 0;
  u32[FCS] = wide ? 0 : (words[control + 3] as number) & 0xffff;
  const data = area.word(DATA);
  u32[FDP] = words[data] as number;
  u32[FDP + 1] = wide ? (words[data + 1] as number) : 0;
  u32[FDS] = wide ? 0 : (words[data + 1] as number) & 0xffff;
  for (let i = 0; i < 8; i++) {
    const from = area.word(X87_REGISTERS + i * 16);
    const to = registerWord(status, i);
    u32[to] = words[from] as number;
    u32[to + 1] = words[from + 1] as number;
    u32[to + 2] = ((u32[to + 2] as number) & ABOVE_EXPONENT) | ((words[from + 2] as number) & ~ABOVE_EXPONENT);
  }
}

/** Where ST(i) is, in words; `status`: FSW, which has TOP. */
function registerWord(status: number, i: number): number {
  return FPR + (((status >>> 11) + i) & 7) * FPR_WORDS;
}

const X87_CONTROL = 0x37f;

/** x87 state as after FNINIT. */
export function initX87(cpu: Cpu): void {
  const { u32 } = cpu;
  u32[FCW] = X87_CONTROL;
  u32[FSW] = 0;
  u32[FTW] = 0;
  u32[FOP] = 0;
  u32[FCS] = 0;
  u32[FDS] = 0;
  u32[FIP] = 0;
  u32[FIP + 1] = 0;
  u32[FDP] = 0;
  u32[FDP + 1] = 0;
  for (let i = 0; i < ALL_FPR_WORDS; i++) u32[FPR + i] = 0;
}

/** Whether nothing was done since FNINIT. */
export function isX87Initial({ u32 }: Cpu): boolean {
  if (u32[FCW] !== X87_CONTROL) return false;
  let used = (u32[FSW] as number) | (u32[FTW] as number) | (u32[FOP] as number) | (u32[FCS] as number);
  used |= (u32[FDS] as number) | (u32[FIP] as number) | (u32[FIP + 1] as number);
  used |= (u32[FDP] as number) | (u32[FDP + 1] as number);
  for (let i = 0; i < ALL_FPR_WORDS && used === 0; i++) used = u32[FPR + i] as number;
  return used === 0;
}

export function writeMxcsr({ u32 }: Cpu, area: SaveArea): void {
  const at = area.word(DATA) + 2;
  area.words[at] = u32[MXCSR] as number;
  area.words[at + 1] = u32[MASK] as number;
}

/** @returns false: reserved bits are set, nothing was loaded; #GP(0) is the caller's. */
export function isValidMxcsr({ u32 }: Cpu, area: SaveArea): boolean {
  return ((area.words[area.word(DATA) + 2] as number) & ~(u32[MASK] as number)) === 0;
}

export function readMxcsr({ u32 }: Cpu, area: SaveArea): void {
  u32[MXCSR] = area.words[area.word(DATA) + 2] as number;
}

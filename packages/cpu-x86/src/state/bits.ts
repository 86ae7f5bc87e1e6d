// Bits of architectural registers, as the manual names them. Sources: SDM vol. 1, "EFLAGS Register"; vol. 3A,
// "Control Registers"; vol. 4, IA32_EFER.

export const FLAG = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;
/** Shift of the two-bit IOPL field. */
export const IOPL_SHIFT = 12;
/** CF PF AF ZF SF OF. */
export const ARITHMETIC_FLAGS = 0x8d5;

export const CR0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

/** CR3: bits 62:57, or 62:48, of user addresses are ignored. SDM vol. 3A, "Linear-Address Masking". */
export const CR3_LAM_U57 = 1n << 61n;
export const CR3_LAM_U48 = 1n << 62n;

export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  LA57: 1 << 12,
  VMXE: 1 << 13,
  SMXE: 1 << 14,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
  PKE: 1 << 22,
  CET: 1 << 23,
  PKS: 1 << 24,
  LAM_SUP: 1 << 28,
} as const;

/** IA32_U_CET and IA32_S_CET, but for the base of the legacy code page bitmap. SDM vol. 1, "CET MSRs". */
export const CET = {
  SH_STK_EN: 1 << 0,
  WR_SHSTK_EN: 1 << 1,
  ENDBR_EN: 1 << 2,
  LEG_IW_EN: 1 << 3,
  NO_TRACK_EN: 1 << 4,
  SUPPRESS_DIS: 1 << 5,
  SUPPRESS: 1 << 10,
  /** Set: the next instruction has to be ENDBRANCH. */
  TRACKER: 1 << 11,
} as const;

export const EFER = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11, FFXSR: 1 << 14, AIBRSE: 1 << 21 } as const;

/** Access rights of a segment cache, in the layout of the VMCS (SDM vol. 3C, "Guest Register State"). */
export const SEG = {
  typeMask: 0xf,
  ACCESSED: 1,
  WRITABLE: 2,
  READABLE: 2,
  CONFORMING: 4,
  EXPAND_DOWN: 4,
  CODE: 8,
  S: 1 << 4,
  dplShift: 5,
  P: 1 << 7,
  AVL: 1 << 12,
  L: 1 << 13,
  DB: 1 << 14,
  G: 1 << 15,
  UNUSABLE: 1 << 16,
} as const;

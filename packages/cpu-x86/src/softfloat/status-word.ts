// The bits of the x87 control and status words. SDM vol. 1, "x87 FPU Status Register" and "x87 FPU Control Word".

/** Status word. */
export const FSW = {
  IE: 1 << 0,
  DE: 1 << 1,
  ZE: 1 << 2,
  OE: 1 << 3,
  UE: 1 << 4,
  PE: 1 << 5,
  /** Stack fault: an IE because a register was empty, or was not. */
  SF: 1 << 6,
  /** Exception summary: an exception is unmasked; the next waiting instruction raises #MF. */
  ES: 1 << 7,
  C0: 1 << 8,
  /** Rounded up, or which way the stack overflowed. */
  C1: 1 << 9,
  C2: 1 << 10,
  TOP: 7 << 11,
  C3: 1 << 14,
  /** Always as ES. */
  B: 1 << 15,
} as const;
/** Position of TOP. */
export const TOP_SHIFT = 11;
/** The six exceptions; their masks are at the same places in the control word. */
export const EXCEPTIONS = 0x3f;

/** Control word. */
export const FCW = {
  PC: 3 << 8,
  RC: 3 << 10,
  /** Set by FNINIT: all exceptions masked, 64-bit precision, round to nearest. */
  INITIAL: 0x37f,
  /** Bits that exist; bit 6 is always set. */
  EXISTING: 0x1f7f,
  ALWAYS_SET: 0x40,
} as const;
/** Precision control. SDM vol. 1, "Precision Control Field". */
export const PRECISION = { single: 0, double: 2 << 8, extended: 3 << 8 } as const;
/** Rounding control, at its place. SDM vol. 1, "Rounding Control Field". */
export const ROUNDING = { nearest: 0, down: 1 << 10, up: 2 << 10, zero: 3 << 10 } as const;

/** State components: bits of XCR0 or IA32_XSS, and of the bitmaps in an XSAVE area. SDM vol. 1, "State-Component Bitmaps". */
export const XSTATE = {
  X87: 1 << 0,
  SSE: 1 << 1,
  AVX: 1 << 2,
  OPMASK: 1 << 5,
  ZMM_HI256: 1 << 6,
  HI16_ZMM: 1 << 7,
  PKRU: 1 << 9,
  CET_U: 1 << 11,
  CET_S: 1 << 12,
} as const;
/** The components of AVX-512, which are enabled together. */
export const AVX512_STATE: number = XSTATE.OPMASK | XSTATE.ZMM_HI256 | XSTATE.HI16_ZMM;

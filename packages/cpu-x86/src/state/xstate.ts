/** State components: bits of XCR0 or IA32_XSS, and of the bitmaps in an XSAVE area. SDM vol. 1, "State-Component Bitmaps". */
export const XSTATE = { X87: 1 << 0, SSE: 1 << 1, AVX: 1 << 2, PKRU: 1 << 9, CET_U: 1 << 11, CET_S: 1 << 12 } as const;

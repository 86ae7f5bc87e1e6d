/** State components: bits of XCR0 and of the bitmaps in an XSAVE area. SDM vol. 1, "State-Component Bitmaps". */
export const XSTATE = { X87: 1 << 0, SSE: 1 << 1, AVX: 1 << 2, PKRU: 1 << 9 } as const;

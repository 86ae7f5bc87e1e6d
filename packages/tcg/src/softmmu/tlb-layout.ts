// The software TLB that generated code probes: two direct-mapped tables in the WebAssembly memory.
//
// Invariants:
// 1. An entry is {i64 tag, i32 addend, i32 frame}. tag = gva of the page; hva = low 32 bits of gva + addend; frame = hva
//    of the page.
// 2. A context names one address space at one privilege; changing it "flushes" in one store. It has as many bits as an
//    index, and an entry's index is that of its page xor its context. So index and tag together say what the context is, and
//    no other one can hit.
// 3. Context 0 is never current: an entry is empty if its tag is the page that has its index in context 0.
// 4. gva xor tag is less than a page's bytes if the page is right, and then where in the page gva is: one comparison
//    also finds the access that crosses into the next page.
// 5. A write entry exists only for pages that are dirty, writable, RAM, and hold no decoded code.

/** Entries of each table; a power of two. 64 MiB are in reach. */
export const TLB_ENTRIES = 16384;
/** Bytes of one entry. */
export const TLB_ENTRY_BYTES = 16;
/** Bytes of one table. */
export const TLB_TABLE_BYTES: number = TLB_ENTRIES * TLB_ENTRY_BYTES;
/** Offset of the addend in an entry. */
export const TLB_ADDEND = 8;
/** Offset of the hva of the page; TypeScript alone looks at it. */
export const TLB_FRAME = 12;
/** `((gva ^ context) >>> TLB_INDEX_SHIFT) & TLB_INDEX_MASK` is the byte offset of a gva's entry. */
export const TLB_INDEX_SHIFT = 8;
/** See {@link TLB_INDEX_SHIFT}. */
export const TLB_INDEX_MASK: number = (TLB_ENTRIES - 1) * TLB_ENTRY_BYTES;
/** log2 of a page's bytes: contexts stand above these bits. */
export const TLB_PAGE_SHIFT = 12;
/** Numbers of contexts are below this. */
export const TLB_CONTEXT_LIMIT = 4096;
/** Odd, so that no two numbers make one context. It spreads address spaces, which tend to use the same addresses. */
const CONTEXT_SPREAD = 0x2e5;

/** The context of a number 1..4095: what gva is mixed with where the index is computed. 0 for 0. */
export function tlbContextOf(number: number): number {
  return ((number * CONTEXT_SPREAD) & (TLB_ENTRIES - 1)) << TLB_PAGE_SHIFT;
}

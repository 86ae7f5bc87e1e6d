// The software TLB that generated code probes: two direct-mapped tables in the WebAssembly memory.
//
// Invariants:
// 1. An entry is {i64 tag, i32 addend, i32 frame}. tag = gva of the page xor context; hva = low 32 bits of gva + addend;
//    frame = hva of the page.
// 2. A context has a number 1..4095 in its low 12 bits, which names one address space at one privilege; changing it
//    "flushes" in one store. Number 0 is never current, so a zeroed table is empty. Its bits above are those of an index:
//    they keep apart what different contexts have at the same address.
// 3. An access that crosses into the next page computes the next page's tag and therefore always misses.
// 4. A write entry exists only for pages that are dirty, writable, RAM, and hold no decoded code.

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
/** Numbers of contexts are below this. */
export const TLB_CONTEXT_LIMIT = 4096;

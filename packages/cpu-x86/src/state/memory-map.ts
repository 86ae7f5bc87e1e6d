// What stands where at the start of the WebAssembly memory, below guest RAM.
import { TLB_TABLE_BYTES } from "@tsvm/tcg";
import { STATE_END } from "./layout.ts";

/** Soft TLB for reads. */
export const TLB_READ = 0x4000;
/** Soft TLB for writes. */
export const TLB_WRITE: number = TLB_READ + TLB_TABLE_BYTES;
/** Jump cache: linear rip and mode to decoded record; two ways of entries of {i64 rip, i32 key, i32 record}. */
export const JUMP_CACHE: number = TLB_WRITE + TLB_TABLE_BYTES;
/** Entries of one way; a power of two. */
export const JUMP_CACHE_ENTRIES = 65536;
/** Bytes of one jump cache entry. */
export const JUMP_CACHE_ENTRY_BYTES = 16;
/** Bytes from an entry to that of the other way. */
export const JUMP_CACHE_WAY: number = JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_BYTES;
/** Records of one instruction executed by itself: single steps, interrupt shadows, page-crossing instructions. */
export const SCRATCH_RECORDS: number = JUMP_CACHE + 2 * JUMP_CACHE_WAY;
/** Bytes of the scratch area. */
export const SCRATCH_BYTES = 4096;
/** A page for operands that are not in plain memory; one instruction at a time. */
export const STAGING: number = SCRATCH_RECORDS + SCRATCH_BYTES;
const STAGING_BYTES = 4096;
/** How often regions were left, by cause: see region/side-causes.ts. Not CPU state: it outlives resets. */
export const SIDE_EXIT_COUNTS: number = STAGING + STAGING_BYTES;
/** Bytes of the counts. */
export const SIDE_EXIT_COUNTS_BYTES = 4088;
/** u64: looks into the soft TLB by regions that count them. */
export const TLB_LOOKS: number = SIDE_EXIT_COUNTS + SIDE_EXIT_COUNTS_BYTES;
/** Indirect jumps, the last ones: u32 bytes written so far, then a ring of {u32 record, i32 low half of rip}. Not CPU state. */
export const JUMP_LOG: number = TLB_LOOKS + 8;
/** Bytes of the ring; a power of two. */
export const JUMP_LOG_BYTES = 8192;
/** Bytes of one jump in it. */
export const JUMP_LOG_ENTRY_BYTES = 8;
/** Decoded-instruction records, in cache lines of their own. */
export const RECORDS_BASE: number = Math.ceil((JUMP_LOG + 4 + JUMP_LOG_BYTES) / 64) * 64;
/** Bytes of the undo log of regions that are verified. */
const UNDO_LOG_BYTES = 2 * 1024 * 1024;
/** Everything below this belongs to the CPU; guest RAM starts here. */
export const RESERVED_BYTES: number = 48 * 1024 * 1024;

/** The undo log: i32 address of its end, then entries. */
export const UNDO_LOG: number = RESERVED_BYTES - UNDO_LOG_BYTES;

if (STATE_END > TLB_READ) throw new Error("CPU state runs into the soft TLB");

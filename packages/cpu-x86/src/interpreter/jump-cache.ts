// Where generated code finds the record of a rip without TypeScript: a direct-mapped table of {i64 rip, i32 key, i32 record}.
// The key says in which context the entry holds; the record cache fills and purges it.
import type { IrBuilder, Val } from "@tsvm/tcg";
import type { CodeWriter } from "@tsvm/wasm-emit";
import { AT } from "../state/layout.ts";
import { JUMP_CACHE, JUMP_CACHE_ENTRIES } from "../state/memory-map.ts";

const FOLD_SHIFT = 13;
const ENTRY_SHIFT = 4;
const KEY = JUMP_CACHE + 8;
const TARGET = JUMP_CACHE + 12;

/** Index of a rip's entry. The three below compute the same. */
export function jumpCacheIndex(ripLow: number): number {
  return (ripLow ^ (ripLow >>> FOLD_SHIFT)) & (JUMP_CACHE_ENTRIES - 1);
}

/** Looks up the rip in CPU state: puts it into `rip`, the offset of its entry into `entry`, and leaves whether that holds. */
export function writeJumpCacheLookup(w: CodeWriter, rip: number, entry: number): void {
  w.i32Const(0);
  w.memory("i64.load", AT.rip);
  w.localTee(rip);
  w.op("i32.wrap_i64");
  w.localTee(entry);
  w.localGet(entry);
  w.i32Const(FOLD_SHIFT);
  w.op("i32.shr_u");
  w.op("i32.xor");
  w.i32Const(JUMP_CACHE_ENTRIES - 1);
  w.op("i32.and");
  w.i32Const(ENTRY_SHIFT);
  w.op("i32.shl");
  w.localTee(entry);
  w.memory("i64.load", JUMP_CACHE);
  w.localGet(rip);
  w.op("i64.eq");
  w.localGet(entry);
  w.memory("i32.load", KEY);
  w.i32Const(0);
  w.memory("i32.load", AT.jumpKey);
  w.op("i32.eq");
  w.op("i32.and");
}

/** Leaves the record of an entry that holds. */
export function writeJumpCacheRecord(w: CodeWriter, entry: number): void {
  w.localGet(entry);
  w.memory("i32.load", TARGET);
}

/** Whether the cache leads from `rip` to `record`; i32. */
export function jumpCacheLeads(b: IrBuilder, rip: Val, record: Val): Val {
  const low = b.wrap(rip);
  const mixed = b.op("i32.xor", low, b.op("i32.shr_u", low, b.const32(FOLD_SHIFT)));
  const index = b.op("i32.and", mixed, b.const32(JUMP_CACHE_ENTRIES - 1));
  const entry = b.op("i32.shl", index, b.const32(ENTRY_SHIFT));
  const sameRip = b.eq(b.load("i64.load", entry, JUMP_CACHE), rip);
  const key = b.load("i32.load", undefined, AT.jumpKey);
  const sameKey = b.op("i32.eq", b.load("i32.load", entry, KEY), key);
  const sameRecord = b.op("i32.eq", b.load("i32.load", entry, TARGET), record);
  return b.both(b.both(sameRip, sameKey), sameRecord);
}

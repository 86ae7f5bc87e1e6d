// Where generated code finds the record of a rip without TypeScript: a table of {i64 rip, i32 key, i32 record} in two ways. The
// key says in which context the entry holds; the record cache fills and purges it. Whoever comes last is in the first way: two
// processes of one program, whose rips are the same, find theirs in turn.
import type { IrBuilder, Val } from "@tsvm/tcg";
import type { CodeWriter } from "@tsvm/wasm-emit";
import { AT } from "../state/layout.ts";
import { JUMP_CACHE, JUMP_CACHE_ENTRIES, JUMP_CACHE_WAY } from "../state/memory-map.ts";

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
  w.localSet(entry);
  writeIsEntryOf(w, rip, entry);
  w.if("i32");
  w.i32Const(1);
  w.else();
  w.localGet(entry);
  w.i32Const(JUMP_CACHE_WAY);
  w.op("i32.add");
  w.localSet(entry);
  writeIsEntryOf(w, rip, entry);
  w.end();
}

/** Leaves whether the entry is that of `rip`, in the current context. */
function writeIsEntryOf(w: CodeWriter, rip: number, entry: number): void {
  w.localGet(entry);
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

/** Does `otherwise` unless the cache leads from `rip` to `record`. */
export function unlessJumpCacheLeads(b: IrBuilder, rip: Val, record: Val, otherwise: () => void): void {
  const low = b.wrap(rip);
  const mixed = b.op("i32.xor", low, b.op("i32.shr_u", low, b.const32(FOLD_SHIFT)));
  const index = b.op("i32.and", mixed, b.const32(JUMP_CACHE_ENTRIES - 1));
  const entry = b.op("i32.shl", index, b.const32(ENTRY_SHIFT));
  const key = b.load("i32.load", undefined, AT.jumpKey);
  const leads = (way: number): Val => {
    const sameRip = b.eq(b.load("i64.load", entry, JUMP_CACHE + way), rip);
    const sameKey = b.op("i32.eq", b.load("i32.load", entry, KEY + way), key);
    const sameRecord = b.op("i32.eq", b.load("i32.load", entry, TARGET + way), record);
    return b.both(b.both(sameRip, sameKey), sameRecord);
  };
  b.whenRarely(b.op("i32.eqz", leads(0)), () => b.when(b.op("i32.eqz", leads(JUMP_CACHE_WAY)), otherwise));
}

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
/** Of the record's address, where it is loaded together with the key. */
const TARGET_SHIFT = 32n;

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

/** Leaves whether the entry is that of `rip`, in the current context: one condition of all that may differ. */
function writeIsEntryOf(w: CodeWriter, rip: number, entry: number): void {
  w.localGet(entry);
  w.memory("i64.load", JUMP_CACHE);
  w.localGet(rip);
  w.op("i64.xor");
  w.localGet(entry);
  w.memory("i64.load32_u", KEY);
  w.i32Const(0);
  w.memory("i64.load32_u", AT.jumpKey);
  w.op("i64.xor");
  w.op("i64.or");
  w.op("i64.eqz");
}

/** Leaves the record of an entry that holds. */
export function writeJumpCacheRecord(w: CodeWriter, entry: number): void {
  w.localGet(entry);
  w.memory("i32.load", TARGET);
}

/** Does `otherwise` unless the cache leads from `rip` to the record at `record`. */
export function unlessJumpCacheLeads(b: IrBuilder, rip: Val, record: number, otherwise: () => void): void {
  const low = b.wrap(rip);
  const mixed = b.op("i32.xor", low, b.op("i32.shr_u", low, b.const32(FOLD_SHIFT)));
  const index = b.op("i32.and", mixed, b.const32(JUMP_CACHE_ENTRIES - 1));
  const entry = b.op("i32.shl", index, b.const32(ENTRY_SHIFT));
  const key = b.load("i64.load32_u", undefined, AT.jumpKey);
  const keyAndTarget = b.or(key, b.const(BigInt(record) << TARGET_SHIFT));
  const misleads = (way: number): Val => {
    const differs = b.xor(b.load("i64.load", entry, JUMP_CACHE + way), rip);
    return b.ne(b.or(differs, b.xor(b.load("i64.load", entry, KEY + way), keyAndTarget)), b.const(0));
  };
  b.whenRarely(misleads(0), () => b.when(misleads(JUMP_CACHE_WAY), otherwise));
}

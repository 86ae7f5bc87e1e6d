// Runs regions one after the other: most of them are left for another one, and the way there is worth a small function of its
// own, in which nothing else wants a register.
import { CodeWriter, type ModuleBuilder } from "@tsvm/wasm-emit";
import { RECORD } from "../decode/decoded-insn.ts";
import { REGION_HANDLER } from "../decode/decoder.ts";
import { AT, GPR } from "../state/layout.ts";
import { writeJumpCacheLookup, writeJumpCacheRecord } from "./jump-cache.ts";

/** Parameter: the record that leads into the region. */
const RECORD_AT = 0;
const RESULT = 1;
const ENTRY = 2;
const RIP = 3;
const PAGE_RIP = AT.gpr + GPR.pageRip * 8;

/** Calls the region a record in local `record` leads into; leaves what it returns. */
export function writeRegionCall(w: CodeWriter, record: number, functionType: number, regionTable: number): void {
  w.localGet(record);
  w.memory("i32.load16_u", RECORD.heat);
  w.localGet(record);
  w.memory("i32.load16_u", RECORD.heat + 2);
  w.callIndirect(functionType, regionTable);
}

/**
 * Defines the function (record) -> i32: what the last region returned. If that is 0, rip says where to go on: not in a
 * region, or the fuel is spent, or the jump cache does not know.
 */
export function defineRegionDispatch(module: ModuleBuilder, functionType: number, regionTable: number): number {
  const w = new CodeWriter();
  w.block();
  w.loop();
  writeRegionCall(w, RECORD_AT, functionType, regionTable);
  w.localTee(RESULT);
  w.if();
  w.localGet(RESULT);
  w.return();
  w.end();
  writeNext(w, 1);
  w.br(0);
  w.end();
  w.end();
  w.i32Const(0);
  const index = module.declareFunction();
  module.defineFunction(index, { params: ["i32"], results: ["i32"] }, ["i32", "i32", "i64"], w);
  return index;
}

/** The next region's record in RECORD_AT and its page in CPU state; or out of the block at `depth`, if there is none. */
function writeNext(w: CodeWriter, depth: number): void {
  w.i32Const(0);
  w.memory("i32.load", AT.fuel);
  w.i32Const(0);
  w.op("i32.le_s");
  w.brIf(depth);
  writeJumpCacheLookup(w, RIP, ENTRY);
  w.op("i32.eqz");
  w.brIf(depth);
  writeJumpCacheRecord(w, ENTRY);
  w.localTee(RECORD_AT);
  w.memory("i32.load16_u", RECORD.handler);
  w.i32Const(REGION_HANDLER);
  w.op("i32.ne");
  w.brIf(depth);
  w.i32Const(0);
  w.localGet(RIP);
  w.localGet(RECORD_AT);
  w.memory("i64.load16_u", RECORD.pageOffset);
  w.op("i64.sub");
  w.memory("i64.store", PAGE_RIP);
}

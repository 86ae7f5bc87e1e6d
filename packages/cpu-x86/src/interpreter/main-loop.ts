// The interpreter's one hot function.
//
// Invariants:
// 1. Fuel is looked at wherever a block ends; a block is at most one page of straight-line code.
// 2. Whenever the function returns, `rip` in CPU state is the next (or the faulting) instruction.
// 3. `pageRip` belongs to the page of the current record.
import { LocalPool, type LoweringTarget, lowerNodes, type Node } from "@tsvm/tcg";
import { CodeWriter, type ModuleBuilder, type ValueType } from "@tsvm/wasm-emit";
import { RECORD, RECORD_BYTES } from "../decode/decoded-insn.ts";
import { emitHandler } from "../emit/emit-insn.ts";
import type { Shape } from "../emit/shape.ts";
import type { X86Exit } from "../emit/x86-builder.ts";
import type { Row } from "../instructions/row.ts";
import { AT, EXIT, GPR } from "../state/layout.ts";
import { EXIT_CODE } from "./exits.ts";
import { writeJumpCacheLookup, writeJumpCacheRecord } from "./jump-cache.ts";

/** Fixed locals. The first is the parameter. */
const IP = 0;
/** Ordinal of the first instruction of the current block. */
const START = 1;
/** Record to go on at. */
const NEXT = 2;
/** Address of a jump cache entry. */
const ENTRY = 3;
/** rip to go on at. */
const RIP = 4;
/** A block's count. */
const HEAT = 5;
const FIXED: readonly ValueType[] = ["i32", "i32", "i32", "i64", "i32"];
/** Entries of a block between one question whether it is hot and the next; a power of two. */
const HEAT_STEP = 4096;
const PAGE_RIP = AT.gpr + GPR.pageRip * 8;

/** Blocks around the handlers, innermost first: branching to one runs what follows its end. */
const LABELS: readonly X86Exit[] = [
  "next",
  "fault",
  "leave",
  "again",
  "unfinished",
  "region",
  "elsewhere",
  "indirect",
  "near",
];

/** What the main loop has to be told of the module. */
export interface MainLoopTarget extends Pick<LoweringTarget, "functionIndex"> {
  /** Function (record) -> i32 that runs regions. */
  readonly regionDispatch: number;
  /** Table of the out-of-line handlers. */
  readonly handlerTable: number;
  readonly functionType: number;
}

/**
 * Defines and exports `run(record)`: runs from `record`, 0: from where `rip` says, until fuel, an exception or a helper ends
 * it.
 */
export function writeMainLoop(module: ModuleBuilder, hot: readonly (readonly Shape[])[], target: MainLoopTarget): void {
  const w = new CodeWriter();
  const locals = new LocalPool(1 + FIXED.length);
  w.localGet(IP);
  w.if();
  enterBlock(w, IP);
  w.else();
  writeJump(w, target);
  w.end();
  w.loop();
  for (const _ of LABELS) w.block();
  writeDispatch(w, hot, locals, target);
  for (const label of LABELS) {
    w.end();
    // After the end of label n, the loop is LABELS.length - n - 1 blocks further out.
    TAILS[label]?.(w, LABELS.length - 1 - LABELS.indexOf(label), target);
  }
  w.end();
  w.unreachable();
  const type = { params: ["i32"], results: ["i32"] } as const;
  module.defineFunction(module.declareFunction(), type, [...FIXED, ...locals.types], w, "run");
}

/**
 * br_table over the handler number; numbers beyond the inline ones go through the function table. A pair's handler goes on
 * with the next record by itself.
 */
function writeDispatch(
  w: CodeWriter,
  hot: readonly (readonly Shape[])[],
  locals: LocalPool,
  target: MainLoopTarget,
): void {
  for (let i = 0; i <= hot.length; i++) w.block();
  w.localGet(IP);
  w.memory("i32.load16_u", RECORD.handler);
  w.brTable([...hot.keys()], hot.length);
  hot.forEach((shapes, i) => {
    w.end();
    // Blocks still open around this handler: the later handlers' and the default's.
    const around = hot.length - i;
    for (const [j, shape] of shapes.entries()) {
      if (j > 0) nextRecord(w);
      locals.reset();
      const nodes = emitHandler(shape);
      if (j < shapes.length - 1) refuseAsFirst(shape.row, nodes);
      lowerNodes(nodes, w, locals, {
        ...target,
        writeExit: (exit, out, depth) => out.br(depth + around + LABELS.indexOf(exit as X86Exit)),
      });
    }
    w.br(around + LABELS.indexOf("next"));
  });
  w.end();
  w.localGet(IP);
  w.localGet(IP);
  w.memory("i32.load16_u", RECORD.handler);
  w.i32Const(hot.length);
  w.op("i32.sub");
  w.callIndirect(target.functionType, target.handlerTable);
  const byCode = Object.entries(EXIT_CODE).sort(([, a], [, b]) => a - b);
  w.brTable(
    byCode.map(([exit]) => LABELS.indexOf(exit as X86Exit)),
    LABELS.indexOf("leave"),
  );
}

/** A first of a pair that could change the second, or that goes elsewhere, is a mistake in hot-pairs.ts. */
function refuseAsFirst(row: Row, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const calls = node.kind === "call" && node.op !== "readMiss";
    const leaves = node.kind === "exit" && node.op !== "fault" && node.op !== "next";
    if (calls || leaves) throw new Error(`${row.mnemonic} ${row.encoding} cannot be the first of a pair`);
    if (node.kind === "if") {
      refuseAsFirst(row, node.body);
      refuseAsFirst(row, node.otherwise);
    } else if (node.kind === "loop") refuseAsFirst(row, node.body);
  }
}

type Tail = (w: CodeWriter, toLoop: number, target: MainLoopTarget) => void;

/** What runs after each label; `toLoop` is the branch depth of the loop. */
const TAILS: Readonly<Record<X86Exit, Tail>> = {
  next: (w, toLoop) => {
    nextRecord(w);
    w.br(toLoop);
  },
  fault: (w) => {
    spendFuel(w, 0);
    w.i32Const(0);
    ripOfRecord(w);
    w.memory("i64.store", AT.rip);
    leave(w, EXIT.exception);
  },
  leave: (w) => {
    spendFuel(w, 1);
    leave(w, EXIT.helper);
  },
  again: (w, toLoop) => repeatRecord(w, toLoop, 1),
  unfinished: (w, toLoop) => repeatRecord(w, toLoop, 0),
  elsewhere: (w, toLoop, target) => {
    spendFuel(w, 1);
    writeJump(w, target);
    continueWithFuel(w, toLoop);
  },
  indirect: (w, toLoop, target) => {
    spendFuel(w, 1);
    noteTarget(w);
    writeJump(w, target);
    continueWithFuel(w, toLoop);
  },
  /**
   * What the regions return: 0, then go on at rip; or the record to go on at, and rip is that of its instruction. A region that is
   * left in front of the same instruction each turn of a loop may have gone back without a look at the fuel.
   */
  region: (w, toLoop, target) => {
    spendFuel(w, 0);
    w.localGet(IP);
    w.call(target.regionDispatch);
    w.localTee(NEXT);
    w.if();
    w.localGet(NEXT);
    w.localSet(IP);
    pageOfRip(w);
    enterBlock(w, IP);
    continueWithFuel(w, toLoop + 1);
    w.end();
    writeJump(w, target);
    continueWithFuel(w, toLoop);
  },
  near: (w, toLoop, target) => {
    spendFuel(w, 1);
    w.localGet(IP);
    w.memory("i32.load", RECORD.target);
    w.localTee(NEXT);
    w.op("i32.eqz");
    w.if();
    w.localGet(IP);
    w.call(target.functionIndex("resolveNear"));
    w.localTee(NEXT);
    w.op("i32.eqz");
    w.if();
    w.i32Const(0);
    w.return();
    w.end();
    w.end();
    w.localGet(NEXT);
    w.localSet(IP);
    countEntry(w, target);
    enterBlock(w, IP);
    fuelLeft(w);
    w.brIf(toLoop);
    w.i32Const(0);
    ripOfRecord(w);
    w.memory("i64.store", AT.rip);
    leave(w, EXIT.fuel);
  },
};

/** Executes the current record again. @param counted instructions that what it did counts as. */
function repeatRecord(w: CodeWriter, toLoop: number, counted: number): void {
  spendFuel(w, counted);
  w.i32Const(0);
  ripOfRecord(w);
  w.memory("i64.store", AT.rip);
  enterBlock(w, IP);
  continueWithFuel(w, toLoop);
}

/** Keeps the low half of `rip` as the current record's target, and counts how often that changed. */
function noteTarget(w: CodeWriter): void {
  w.localGet(IP);
  w.memory("i32.load", RECORD.target);
  w.i32Const(0);
  w.memory("i32.load", AT.rip);
  w.localTee(NEXT);
  w.op("i32.ne");
  w.if();
  w.localGet(IP);
  w.localGet(NEXT);
  w.memory("i32.store", RECORD.target);
  w.localGet(IP);
  w.localGet(IP);
  w.memory("i32.load16_u", RECORD.changes);
  w.i32Const(1);
  w.op("i32.add");
  w.localTee(NEXT);
  w.localGet(NEXT);
  w.i32Const(16);
  w.op("i32.shr_u");
  w.op("i32.sub");
  w.memory("i32.store16", RECORD.changes);
  w.end();
}

/** Goes on at `rip`, or returns. */
function writeJump(w: CodeWriter, target: MainLoopTarget): void {
  writeJumpCacheProbe(w, target);
  w.localGet(NEXT);
  w.localSet(IP);
  pageOfRip(w);
  countEntry(w, target);
  enterBlock(w, IP);
}

/** Sets `pageRip` by `rip`, which is the current record's. */
function pageOfRip(w: CodeWriter): void {
  w.i32Const(0);
  w.i32Const(0);
  w.memory("i64.load", AT.rip);
  w.localGet(IP);
  w.memory("i64.load16_u", RECORD.pageOffset);
  w.op("i64.sub");
  w.memory("i64.store", PAGE_RIP);
}

/** Looks `rip` up in the jump cache, else asks; leaves the record in NEXT or returns. */
function writeJumpCacheProbe(w: CodeWriter, target: MainLoopTarget): void {
  writeJumpCacheLookup(w, RIP, ENTRY);
  w.if();
  writeJumpCacheRecord(w, ENTRY);
  w.localSet(NEXT);
  w.else();
  w.call(target.functionIndex("resolve"));
  w.localTee(NEXT);
  w.op("i32.eqz");
  w.if();
  w.i32Const(0);
  w.return();
  w.end();
  w.end();
}

/** fuel -= ordinal of the current record - ordinal at the block's start + `extra`. */
function spendFuel(w: CodeWriter, extra: number): void {
  w.i32Const(0);
  w.i32Const(0);
  w.memory("i32.load", AT.fuel);
  w.localGet(IP);
  w.memory("i32.load8_u", RECORD.ordinal);
  w.localGet(START);
  w.op("i32.sub");
  w.op("i32.sub");
  if (extra !== 0) {
    w.i32Const(extra);
    w.op("i32.sub");
  }
  w.memory("i32.store", AT.fuel);
}

function nextRecord(w: CodeWriter): void {
  w.localGet(IP);
  w.i32Const(RECORD_BYTES);
  w.op("i32.add");
  w.localSet(IP);
}

function fuelLeft(w: CodeWriter): void {
  w.i32Const(0);
  w.memory("i32.load", AT.fuel);
  w.i32Const(0);
  w.op("i32.gt_s");
}

/** With `rip` already in CPU state. */
function continueWithFuel(w: CodeWriter, toLoop: number): void {
  fuelLeft(w);
  w.brIf(toLoop);
  leave(w, EXIT.fuel);
}

function enterBlock(w: CodeWriter, record: number): void {
  w.localGet(record);
  w.memory("i32.load8_u", RECORD.ordinal);
  w.localSet(START);
}

/**
 * Counts how often a block is entered, and says so whenever it may be hot: at every multiple of HEAT_STEP, and at the limit.
 * A record that leads into a region is not counted.
 */
function countEntry(w: CodeWriter, target: MainLoopTarget): void {
  w.i32Const(0);
  w.memory("i32.load", AT.heatLimit);
  w.localGet(IP);
  w.memory("i32.load", RECORD.heat);
  w.op("i32.gt_u");
  w.if();
  w.localGet(IP);
  w.localGet(IP);
  w.memory("i32.load", RECORD.heat);
  w.i32Const(1);
  w.op("i32.add");
  w.localTee(HEAT);
  w.memory("i32.store", RECORD.heat);
  w.localGet(HEAT);
  w.i32Const(0);
  w.memory("i32.load", AT.heatLimit);
  w.op("i32.eq");
  w.localGet(HEAT);
  w.i32Const(HEAT_STEP - 1);
  w.op("i32.and");
  w.op("i32.eqz");
  w.op("i32.or");
  w.if();
  w.localGet(IP);
  w.call(target.functionIndex("hot"));
  w.end();
  w.end();
}

/** Leaves the rip of the current record on the stack. */
function ripOfRecord(w: CodeWriter): void {
  w.i32Const(0);
  w.memory("i64.load", PAGE_RIP);
  w.localGet(IP);
  w.memory("i64.load16_u", RECORD.pageOffset);
  w.op("i64.add");
}

function leave(w: CodeWriter, reason: number): void {
  w.i32Const(0);
  w.i32Const(reason);
  w.memory("i32.store", AT.exitReason);
  w.i32Const(0);
  w.return();
}

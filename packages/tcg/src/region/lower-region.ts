// Writes a region as one function: structured control from the dominator tree, slots in locals. Ramsey, "Beyond Relooper:
// Recursive Translation of Unstructured Control Flow to Structured Control Flow" (2022).
//
// Invariants:
// 1. Every block ends by leaving or by an edge; none falls through.
// 2. Variables of slots carry values between blocks; all other locals belong to one block at a time.
import type { CodeWriter, LoadOp, StoreOp, ValueType } from "@tsvm/wasm-emit";
import type { Slot, SlotTable } from "../ir/slots.ts";
import { GOTO, type Node } from "../ir/types.ts";
import { LocalPool, lowerNodes } from "../lower/wasm.ts";
import { predecessorsOf } from "./control-flow.ts";
import type { StructuredFlow, SwitchBlock } from "./entries.ts";
import { SlotUsage } from "./liveness.ts";

/** What all exits of one name do, once for all of them. They give two i32 operands: what the function returns, and a detail. */
export interface ExitTail {
  /** Slots that `write` uses; cached ones among them it may set. */
  readonly slots: readonly number[];
  /** Writes what these exits do. The locals hold the operands, and `result` what is returned afterwards. */
  write(writer: CodeWriter, result: number, detail: number, localOfSlot: (slot: number) => number): void;
}

/** A region ready to be written. */
export interface Region {
  readonly flow: StructuredFlow;
  /** IR of each block of the guest's code; edges name blocks. */
  readonly blocks: readonly (readonly Node[])[];
  readonly slots: SlotTable;
  /**
   * The slot with the address of the page that was entered, where blocks expect that of the region's first page, and how
   * many bytes each entry's page is behind the first one, in the order of their numbers.
   */
  readonly origin?: { readonly slot: number; readonly distances: readonly number[] };
  /** Of exits that have something in common, by their names; other exits give the result alone. */
  readonly tails: ReadonlyMap<string, ExitTail>;
  /** Exits so rare that what only they need is computed at each of them, not before. */
  readonly coldExits: ReadonlySet<string>;
  /** Those of them that are hardly ever taken. */
  readonly rareExits: ReadonlySet<string>;
  /** Index of a function that blocks call. */
  functionIndex(target: string): number;
}

/** Parameter: number of the entry, 0 once it was reached. */
const ENTRY = 0;
/** What the function returns. */
const RESULT = 1;
/** The detail of an exit that has a tail. */
const DETAIL = 2;
const FIRST_SLOT = 3;

const LOAD: Readonly<Record<Slot["type"], LoadOp>> = { i32: "i32.load", i64: "i64.load", v128: "v128.load" };
const STORE: Readonly<Record<Slot["type"], StoreOp>> = { i32: "i32.store", i64: "i64.store", v128: "v128.store" };

/** Writes the body of a function (entry) -> i32. @returns the types of its locals. */
export function lowerRegion(region: Region, writer: CodeWriter): readonly ValueType[] {
  return new RegionLowering(region, writer).run();
}

class RegionLowering {
  readonly #region: Region;
  readonly #writer: CodeWriter;
  readonly #locals: LocalPool;
  /** Slots that occur, and those of them that are written. */
  readonly #used: Set<number>;
  readonly #written: Set<number>;
  readonly #localOfSlot = new Map<number, number>();
  readonly #children: number[][];
  readonly #merges = new Set<number>();
  readonly #loops: ReadonlySet<number>;
  /** How many blocks are open, and at which count the label of a block was opened. */
  #open = 0;
  readonly #level = new Map<number, number>();
  readonly #levelOfTail = new Map<string, number>();

  constructor(region: Region, writer: CodeWriter) {
    this.#region = region;
    this.#writer = writer;
    const { flow, successors } = region.flow;
    // A switch in front of a block changes nothing for those who come by an edge.
    const reached = flow.order.filter((block) => block < region.blocks.length);
    const usage = new SlotUsage(region.blocks, reached, region.slots);
    this.#used = usage.used;
    this.#written = usage.written;
    this.#numberSlots();
    this.#locals = new LocalPool(FIRST_SLOT + this.#localOfSlot.size);
    this.#loops = new Set(flow.retreating.map(([, to]) => to));
    this.#children = successors.map(() => []);
    for (const node of flow.order) {
      const dominator = flow.dominator[node] as number;
      if (dominator !== node) (this.#children[dominator] as number[]).push(node);
    }
    const predecessors = predecessorsOf(successors, flow.order);
    for (const node of flow.order) {
      const forward = (predecessors[node] as number[]).filter((from) => !this.#isBack(from, node));
      if (forward.length > 1) this.#merges.add(node);
    }
  }

  run(): readonly ValueType[] {
    const writer = this.#writer;
    this.#moveSlots((slot, local) => {
      writer.i32Const(0);
      writer.memory(LOAD[slot.type], slot.address);
      writer.localSet(local);
    }, this.#used);
    writer.block();
    this.#open = 1;
    for (const name of this.#region.tails.keys()) {
      writer.block();
      this.#levelOfTail.set(name, ++this.#open);
    }
    this.#tree(this.#region.flow.root);
    for (const tail of [...this.#region.tails.values()].toReversed()) {
      writer.end();
      this.#open--;
      tail.write(writer, RESULT, DETAIL, (slot) => this.#localOfSlot.get(slot) as number);
      if (this.#open > 1) writer.br(this.#open - 1);
    }
    writer.end();
    this.#moveSlots((slot, local) => {
      if (slot.policy !== "cached") return;
      writer.i32Const(0);
      writer.localGet(local);
      writer.memory(STORE[slot.type], slot.address);
    }, this.#written);
    writer.localGet(RESULT);
    const slotTypes = [...this.#localOfSlot.keys()].map((slot) => this.#region.slots.slots[slot]!.type);
    return ["i32", "i32", ...slotTypes, ...this.#locals.types];
  }

  /** At the root, on the way from an entry: blocks expect the region's first page. */
  #rebase(entry: number): void {
    const { origin } = this.#region;
    const distance = origin?.distances[entry - 1] ?? 0;
    const local = origin === undefined ? undefined : this.#localOfSlot.get(origin.slot);
    if (local === undefined || distance === 0) return;
    const writer = this.#writer;
    writer.localGet(local);
    writer.i64Const(distance);
    writer.op("i64.sub");
    writer.localSet(local);
  }

  #numberSlots(): void {
    for (const { slots } of this.#region.tails.values())
      for (const slot of slots) {
        this.#used.add(slot);
        this.#written.add(slot);
      }
    for (const slot of [...this.#used].sort((a, b) => a - b))
      this.#localOfSlot.set(slot, FIRST_SLOT + this.#localOfSlot.size);
  }

  #moveSlots(move: (slot: Slot, local: number) => void, which: ReadonlySet<number>): void {
    for (const [slot, local] of this.#localOfSlot)
      if (which.has(slot)) move(this.#region.slots.slots[slot] as Slot, local);
  }

  #isBack(from: number, to: number): boolean {
    const { position } = this.#region.flow.flow;
    return (position[to] as number) <= (position[from] as number);
  }

  /** A block and all it dominates. */
  #tree(node: number): void {
    const writer = this.#writer;
    const { position } = this.#region.flow.flow;
    const isLoop = this.#loops.has(node);
    if (isLoop) {
      writer.loop();
      this.#level.set(node, ++this.#open);
    }
    const merges = (this.#children[node] as number[]).filter((child) => this.#merges.has(child));
    merges.sort((a, b) => (position[b] as number) - (position[a] as number));
    for (const merge of merges) {
      writer.block();
      this.#level.set(merge, ++this.#open);
    }
    this.#code(node);
    for (const merge of merges.toReversed()) {
      writer.end();
      this.#open--;
      this.#tree(merge);
    }
    if (isLoop) {
      writer.end();
      this.#open--;
    }
  }

  #code(node: number): void {
    const { switches } = this.#region.flow;
    const choice = switches.get(node);
    if (choice !== undefined) {
      this.#switch(node, choice);
      return;
    }
    this.#locals.reset();
    const fixed = this.#localOfSlot;
    lowerNodes(this.#region.blocks[node] as readonly Node[], this.#writer, this.#locals, {
      coldExits: this.#region.coldExits,
      rareExits: this.#region.rareExits,
      functionIndex: (target) => this.#region.functionIndex(target),
      fixedLocal: (variable) => {
        const slot = this.#region.slots.slotOf(variable);
        return slot < 0 ? undefined : fixed.get(slot);
      },
      writeExit: (_exit, _writer, depth, exit) => this.#exit(node, exit, depth),
    });
  }

  #exit(from: number, exit: Node, depth: number): void {
    const writer = this.#writer;
    if (exit.op === GOTO) {
      this.#edge(from, this.#region.flow.landing(exit.target), depth);
      return;
    }
    const tail = this.#levelOfTail.get(exit.op);
    if (tail !== undefined) writer.localSet(DETAIL);
    writer.localSet(RESULT);
    writer.br(this.#open + depth - (tail ?? 1));
  }

  /** To a block: a branch if its label is open, else its code in place. */
  #edge(from: number, to: number, depth: number): void {
    if (this.#isBack(from, to) || this.#merges.has(to)) {
      this.#writer.br(this.#open + depth - (this.#level.get(to) as number));
      return;
    }
    const mark = this.#locals.mark();
    this.#open += depth;
    this.#tree(to);
    this.#open -= depth;
    this.#locals.release(mark);
  }

  /** Goes on at the case of the asked entry; the way of those that came otherwise costs one test. */
  #switch(node: number, { cases, otherwise }: SwitchBlock): void {
    const writer = this.#writer;
    const list = [...cases];
    if (otherwise !== undefined) {
      writer.block();
      writer.localGet(ENTRY);
      writer.op("i32.eqz");
      writer.brIf(0);
      this.#open++;
    }
    for (const _ of list) writer.block();
    this.#open += list.length;
    writer.localGet(ENTRY);
    const highest = Math.max(...cases.keys());
    const numbers = new Array(highest + 1).fill(list.length - 1);
    for (const [i, [number]] of list.entries()) numbers[number] = i;
    writer.brTable(numbers, list.length - 1);
    for (const [number, { block, arrived }] of list) {
      writer.end();
      this.#open--;
      if (otherwise === undefined) this.#rebase(number);
      if (arrived) {
        writer.i32Const(0);
        writer.localSet(ENTRY);
      }
      this.#edge(node, block, 0);
    }
    if (otherwise !== undefined) {
      writer.end();
      this.#open--;
      this.#edge(node, otherwise, 0);
    }
  }
}

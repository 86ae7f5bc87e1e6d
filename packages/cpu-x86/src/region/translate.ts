// From decoded records to a WebAssembly module with one region.
import { GOTO, lowerRegion, type Node, type RegionFlow, type StructuredFlow, structureEntries } from "@tsvm/tcg";
import { CodeWriter, ModuleBuilder } from "@tsvm/wasm-emit";
import { subroutineType } from "../interpreter/define-subroutines.ts";
import { IMPORTS } from "../interpreter/generate.ts";
import { SUBROUTINES } from "../interpreter/subroutines.ts";
import { type CodeSource, type FoundBlock, findBlocks, shapeOfRecord } from "./former.ts";
import { LEAVE_TO, leaveToTail } from "./leave-to.ts";
import type { Place } from "./place.ts";
import { LEAVE, RegionBuilder, type RegionContext, type RegionInsn } from "./region-builder.ts";
import { PAGE_SLOT, REGION_SLOTS } from "./region-slots.ts";
import { SIDE, SIDE_TAIL } from "./side-exit.ts";
import { findTurns, type TurnBlock } from "./turns.ts";

/** What only ways out of a block need is computed there, not on the way through. */
const COLD_EXITS: ReadonlySet<string> = new Set([SIDE, LEAVE, LEAVE_TO, GOTO]);
/** What is frequent stays in the region. */
const RARE_EXITS: ReadonlySet<string> = new Set([SIDE, LEAVE, LEAVE_TO]);

/** What translation needs of its surroundings. */
export interface TranslationSource extends CodeSource {
  /** MXCSR.PE is set now, as it will stay in most programs. */
  readonly inexactSeen: boolean;
  /** 64-bit code, or else 32-bit code. */
  readonly code64: boolean;
  /** Stores write an undo log; see UNDO_LOG. */
  readonly logsStores: boolean;
  /** Looks into the soft TLB are counted, which slows every access down; see TLB_LOOKS. */
  readonly countsLooks: boolean;
  /** A copy of the instruction at `offset`, which never leads into a region; 0: there is no room for one. */
  copyAt(offset: number): number;
  /** Told of the blocks before they are written, for logs. */
  readonly observe?: (blocks: readonly RegionBlock[]) => void;
}

/** Straight-line code of a region, and what it does. */
export interface RegionBlock {
  /** Where it begins, from the region's first page. */
  readonly offset: number;
  /** Bytes of guest code. */
  readonly length: number;
  readonly nodes: readonly Node[];
}

/** A translated region. */
export interface Translation {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Offsets (from the first page) where it may be entered, in the order of their numbers, which count from 1. */
  readonly entries: readonly number[];
  /** Straight-line code it was made of, each piece in one page. */
  readonly blocks: readonly Pick<RegionBlock, "offset" | "length">[];
}

interface EmittedBlock extends RegionBlock {
  /** All its instructions are in it. */
  readonly isWhole: boolean;
  readonly successors: readonly number[];
  readonly returns: readonly number[];
  readonly isCopy: boolean;
}

/**
 * Turns of a small loop that are emitted at a time, and their instructions, at most, by the instructions of the whole region: in
 * a larger one a loop is rarely most of the work, and none that is larger than these has any.
 */
const TURNS_BY_SIZE = [
  { region: 56, turns: 8, turned: 48 },
  { region: 80, turns: 4, turned: 32 },
] as const;

/** What translation goes through: its code is found, IR is emitted and its control flow structured, WebAssembly is written. */
export type TranslationStage = "find" | "emit" | "write";

/**
 * Translates the code around `start` (an offset in the first page). @param finished is told of each stage when it is over.
 * @returns undefined if nothing is gained by it.
 */
export function translateRegion(
  source: TranslationSource,
  start: number,
  finished: (stage: TranslationStage) => void = () => {},
): Translation | undefined {
  const found = findBlocks(source, start);
  finished("find");
  const first = found[0]?.insns[0]?.records[0];
  if (first === undefined) return undefined;
  const emitter = new BlockEmitter(source, found, first);
  const emitted = emitter.emitTurns(emitter.emitAll());
  const structured = structureEntries(flowOf(emitted));
  const blocks = emitter.emitWithout(structured.refused, emitted);
  finished("emit");
  if (emitter.isFull) return undefined;
  source.observe?.(blocks);
  const translation = write(blocks, structured, source.code64);
  finished("write");
  return translation;
}

const lengthOf = (insns: readonly RegionInsn[]): number => insns.reduce((sum, { length }) => sum + length, 0);

const flowOf = (blocks: readonly EmittedBlock[]): RegionFlow => ({
  successors: blocks.map((block) => block.successors),
  returns: blocks.map((block) => block.returns),
  // A return from a copy may rely on having been called from the region.
  closed: new Set(blocks.flatMap(({ isCopy }, block) => (isCopy ? [block] : []))),
});

function write(blocks: readonly EmittedBlock[], flow: StructuredFlow, code64: boolean): Translation {
  const module = new ModuleBuilder({ minPages: 1 });
  const nodes = blocks.map((block) => block.nodes);
  const imports = new Map<string, number>();
  const entries = flow.entries.map((block) => (blocks[block] as EmittedBlock).offset);
  const code = new CodeWriter();
  const locals = lowerRegion(
    {
      flow,
      blocks: nodes,
      slots: REGION_SLOTS,
      tails: new Map([
        [LEAVE_TO, leaveToTail(code64)],
        [SIDE, SIDE_TAIL],
      ]),
      coldExits: COLD_EXITS,
      rareExits: RARE_EXITS,
      origin: { slot: PAGE_SLOT, distances: entries.map((offset) => (offset >> 12) * 4096) },
      functionIndex: (name) => imports.get(name) ?? importFunction(module, imports, name),
    },
    code,
  );
  module.defineFunction(module.declareFunction(), { params: ["i32"], results: ["i32"] }, locals, code, "region");
  return { bytes: module.build(), entries, blocks };
}

function importFunction(module: ModuleBuilder, imports: Map<string, number>, name: string): number {
  const subroutine = SUBROUTINES.find((candidate) => candidate.name === name);
  if (subroutine === undefined && name !== "clock") throw new Error(`regions cannot call ${name}`);
  const type = subroutine === undefined ? IMPORTS.clock : subroutineType(subroutine);
  const index = module.importFunction("env", name, type);
  imports.set(name, index);
  return index;
}

/** Emits the blocks that were found, and those that begin where an instruction had to be left to the interpreter. */
class BlockEmitter {
  readonly #source: TranslationSource;
  readonly #work: FoundBlock[];
  readonly #builder: RegionBuilder;
  readonly #blockOf = new Map<Place, number>();
  /** Offsets at which blocks start, in any copy. */
  readonly #starts = new Set<number>();
  #current = 0;
  /** By their first blocks, the blocks of one turn of each loop that is emitted several turns at a time. */
  #turns: ReadonlyMap<number, readonly number[]> = new Map();
  #refused: ReadonlySet<string> = new Set();
  /** There was no room for what the region needs. */
  isFull = false;

  constructor(source: TranslationSource, found: readonly FoundBlock[], first: number) {
    this.#source = source;
    this.#work = [...found];
    this.#builder = new RegionBuilder(this.#context(), first);
  }

  emitAll(): EmittedBlock[] {
    const work = this.#work;
    for (const [i, { insns }] of work.entries()) this.#name(insns[0] as RegionInsn, i);
    const blocks: EmittedBlock[] = [];
    for (let i = 0; i < work.length; i++) {
      const { insns, returnsTo } = work[i] as FoundBlock;
      const { offset, copy } = insns[0] as RegionInsn;
      const { done, nodes, successors } = this.#emit(i);
      const rest = insns.slice(done);
      const returns = [];
      if (rest.length > 0) {
        returns.push(work.length);
        this.#name(rest[0] as RegionInsn, work.length);
        work.push({ insns: rest, returnsTo });
      } else if (returnsTo !== undefined) returns.push(this.#blockOf.get(returnsTo));
      const entered = copy === 0 ? returns.filter((block) => block !== undefined) : [];
      const length = lengthOf(insns.slice(0, done));
      const isWhole = rest.length === 0;
      blocks.push({ offset, length, nodes, successors, returns: entered, isCopy: copy !== 0, isWhole });
    }
    return blocks;
  }

  /** The blocks with small loops several turns at a time. */
  emitTurns(blocks: readonly EmittedBlock[]): readonly EmittedBlock[] {
    if (this.#turnLimits === undefined) return blocks;
    this.#turns = findTurns(blocks.map((block, i) => this.#turnBlock(block, i)));
    return blocks.map((block, i) => (this.#turns.has(i) ? { ...block, ...this.#emit(i) } : block));
  }

  get #turnLimits(): (typeof TURNS_BY_SIZE)[number] | undefined {
    const size = this.#sizeOf(this.#work.keys());
    return TURNS_BY_SIZE.find(({ region }) => size <= region);
  }

  #turnBlock({ successors, isWhole }: EmittedBlock, block: number): TurnBlock {
    const { branchesTo, isMostlyTaken, likely, copy, offset, length } = this.#insnsOf(block).at(-1) as RegionInsn;
    // A repeated instruction goes back to itself, and on from the middle of what it does.
    const repeats = successors.includes(block) && branchesTo === undefined;
    const isStraight = isWhole && likely.length === 0 && !repeats;
    const places = isStraight ? [isMostlyTaken ? branchesTo : undefined, copy + offset + length] : [];
    const straight = successors.filter((next) => places.includes(this.#startOf(next)));
    return { start: this.#startOf(block), size: this.#sizeOf([block]), successors, straight };
  }

  #insnsOf(block: number): readonly RegionInsn[] {
    return (this.#work[block] as FoundBlock).insns;
  }

  #startOf(block: number): Place {
    const { copy, offset } = this.#insnsOf(block)[0] as RegionInsn;
    return copy + offset;
  }

  /** Instructions. */
  #sizeOf(blocks: Iterable<number>): number {
    let size = 0;
    for (const block of blocks) size += this.#insnsOf(block).length;
    return size;
  }

  /** The blocks with other code where it took refused edges (`from,to`), which leave the region now. */
  emitWithout(refused: ReadonlySet<string>, blocks: readonly EmittedBlock[]): readonly EmittedBlock[] {
    this.#refused = refused;
    const from = new Set([...refused].map((edge) => Number.parseInt(edge, 10)));
    return blocks.map((block, i) => (from.has(i) ? { ...block, ...this.#emit(i) } : block));
  }

  #name({ offset, copy }: RegionInsn, block: number): void {
    this.#blockOf.set(copy + offset, block);
    this.#starts.add(offset);
  }

  /** Emits a block; behind the first `done` instructions nothing is reached directly. */
  #emit(block: number): { done: number; nodes: readonly Node[]; successors: readonly number[] } {
    this.#current = block;
    const builder = this.#builder;
    const turn = this.#turns.get(block);
    builder.startBlock(this.#startOf(block), turn !== undefined);
    const insns = this.#insnsOf(block);
    let done = 0;
    if (turn !== undefined) done = this.#emitTurnsOf(turn);
    else while (done < insns.length && builder.emit(insns[done] as RegionInsn)) done++;
    if (done === insns.length) builder.finishBlock();
    else done++;
    return { done, nodes: builder.take(), successors: builder.takeEdges() };
  }

  /** Several turns, up to the way back of the last one. @returns how many instructions of the first block that were. */
  #emitTurnsOf(turn: readonly number[]): number {
    const { turns, turned } = this.#turnLimits as (typeof TURNS_BY_SIZE)[number];
    const length = Math.min(turns, Math.floor(turned / this.#sizeOf(turn)));
    const blocks = Array.from({ length }, () => turn).flat();
    for (const [i, block] of blocks.entries()) {
      const insns = this.#insnsOf(block);
      const next = blocks[i + 1];
      const goesOnAt = next === undefined ? undefined : this.#startOf(next);
      // A later turn may know that it is the last one.
      const goesOn = (insn: RegionInsn): boolean =>
        this.#builder.emit(insn, insn === insns.at(-1) && insn.branchesTo !== undefined ? goesOnAt : undefined);
      if (!insns.every(goesOn)) break;
    }
    return this.#sizeOf([turn[0] as number]);
  }

  #context(): RegionContext {
    const source = this.#source;
    return {
      view: source.view,
      inexactSeen: source.inexactSeen,
      code64: source.code64,
      logsStores: source.logsStores,
      countsLooks: source.countsLooks,
      shapeOf: (record) => shapeOfRecord(source, record),
      blockAt: (place) => {
        const block = this.#blockOf.get(place);
        return block !== undefined && this.#refused.has(`${this.#current},${block}`) ? undefined : block;
      },
      recordOfBlock: (offset) => source.recordAt(offset),
      sideRecord: (record, offset) => {
        if (!this.#starts.has(offset)) return record;
        const copy = source.copyAt(offset);
        if (copy === 0) this.isFull = true;
        return copy;
      },
    };
  }
}

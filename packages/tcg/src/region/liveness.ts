import type { SlotTable } from "../ir/slots.ts";
import { GOTO, type Node, type Variable } from "../ir/types.ts";

/** What one walk over a region's blocks finds out about slots. */
export class SlotUsage {
  /** Slots that occur. */
  readonly used: Set<number> = new Set();
  /** Slots whose variables are set. */
  readonly written: Set<number> = new Set();
  readonly #table: SlotTable;
  readonly #words: number;
  /** A bit for each slot whose variable matters at the start of a block; `#words` words for each block. */
  readonly #live: Int32Array;
  readonly #edges: Node[][] = [];
  readonly #cached: Int32Array;

  /**
   * Walks over the blocks in `order`, then drops what edges set in vain: a slot matters at the start of a block if it is
   * read, or written back by an exit, before a new value is set.
   */
  constructor(blocks: readonly (readonly Node[])[], order: readonly number[], table: SlotTable) {
    this.#table = table;
    this.#words = Math.ceil(table.slots.length / 32);
    this.#live = new Int32Array(blocks.length * this.#words);
    this.#cached = new Int32Array(this.#words);
    for (const [slot, { policy }] of table.slots.entries()) if (policy === "cached") mark(this.#cached, 0, slot);
    for (const block of order) {
      const edges: Node[] = [];
      this.#edges[block] = edges;
      this.#scan(blocks[block] as readonly Node[], block * this.#words, edges);
    }
    this.#spread(order);
    for (const block of order) for (const edge of this.#edges[block] as Node[]) this.#prune(edge);
  }

  #scan(nodes: readonly Node[], row: number, edges: Node[]): void {
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i] as Node;
      if (node.kind === "get") this.#read(this.#table.slotOf(node.variable as Variable), row);
      else if (node.kind === "set") this.#write(node.variable as Variable);
      else if (node.kind === "exit") this.#exit(node, row, edges);
      else if (node.kind === "if") {
        this.#scan(node.body, row, edges);
        this.#scan(node.otherwise, row, edges);
      } else if (node.kind === "loop") this.#scan(node.body, row, edges);
    }
  }

  #read(slot: number, row: number): void {
    if (slot < 0) return;
    this.used.add(slot);
    mark(this.#live, row, slot);
  }

  #write(variable: Variable): void {
    const slot = this.#table.slotOf(variable);
    if (slot < 0) return;
    this.used.add(slot);
    this.written.add(slot);
  }

  #exit(node: Node, row: number, edges: Node[]): void {
    if (node.op === GOTO) {
      edges.push(node);
      return;
    }
    for (const variable of node.sets) this.#write(variable);
    for (let word = 0; word < this.#words; word++)
      this.#live[row + word]! |= (this.#cached[word] as number) & ~this.#setBy(node, word);
  }

  #setBy({ sets }: Node, word: number): number {
    let bits = 0;
    for (let i = 0; i < sets.length; i++) {
      const slot = this.#table.slotOf(sets[i] as Variable);
      if (slot >> 5 === word) bits |= 1 << (slot & 31);
    }
    return bits;
  }

  #spread(order: readonly number[]): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = order.length - 1; i >= 0; i--)
        for (const edge of this.#edges[order[i] as number] as Node[])
          if (this.#spreadAlong(edge, (order[i] as number) * this.#words)) changed = true;
    }
  }

  /** What matters at the target of an edge matters at its source, if the edge does not set it. */
  #spreadAlong(edge: Node, row: number): boolean {
    let changed = false;
    for (let word = 0; word < this.#words; word++) {
      const before = this.#live[row + word] as number;
      const after = before | ((this.#live[edge.target * this.#words + word] as number) & ~this.#setBy(edge, word));
      if (after === before) continue;
      this.#live[row + word] = after;
      changed = true;
    }
    return changed;
  }

  #prune(edge: Node): void {
    const { sets, args, target } = edge;
    if (sets.length === 0) return;
    const row = target * this.#words;
    const kept: Variable[] = [];
    const values: Node[] = [];
    for (let i = 0; i < sets.length; i++) {
      const slot = this.#table.slotOf(sets[i] as Variable);
      if (((this.#live[row + (slot >> 5)] as number) & (1 << (slot & 31))) === 0) continue;
      this.#write(sets[i] as Variable);
      kept.push(sets[i] as Variable);
      values.push(args[i] as Node);
    }
    edge.sets = kept;
    edge.args = values.concat(args.slice(sets.length));
  }
}

function mark(rows: Int32Array, row: number, slot: number): void {
  rows[row + (slot >> 5)]! |= 1 << (slot & 31);
}

import type { Node, Val } from "../ir/types.ts";

/** How often a value is used where it matters, and by exits that hardly ever happen. */
export interface Uses {
  isUnused(id: number): boolean;
  /** Used once, and not by a cold exit. */
  isSingle(id: number): boolean;
  /** Cheap to compute again, and needed by cold exits only. */
  isColdOnly(id: number): boolean;
}

/** Nodes a cold value may be made of at most; a larger one is computed where it stands. */
const COLD_TREE = 14;

type Definition = Extract<Node, { result: Val }>;
const PURE: ReadonlySet<Node["kind"]> = new Set(["op", "lane", "shuffle", "v128", "float", "select"]);

const NO_EXITS: ReadonlySet<string> = new Set();

/** Counts uses from the end, so that what only unused values need counts as unused. */
export function countUses(nodes: readonly Node[], coldExits: ReadonlySet<string> = NO_EXITS): Uses {
  const range = { first: Number.MAX_SAFE_INTEGER, last: -1 };
  findRange(nodes, range);
  const counter = new UseCounter(coldExits, range.first, Math.max(0, range.last - range.first + 1));
  if (coldExits.size > 0) counter.measure(nodes);
  counter.count(nodes);
  return counter;
}

/** Numbers of the values that are defined. */
function findRange(nodes: readonly Node[], range: { first: number; last: number }): void {
  for (const node of nodes) {
    if ("result" in node && node.result !== undefined) {
      const { id } = node.result;
      if (id < range.first) range.first = id;
      if (id > range.last) range.last = id;
    } else if (node.kind === "if") {
      findRange(node.whenTrue, range);
      findRange(node.whenFalse, range);
    } else if (node.kind === "loop") findRange(node.body, range);
  }
}

class UseCounter implements Uses {
  readonly #coldExits: ReadonlySet<string>;
  readonly #first: number;
  readonly #hot: Uint16Array;
  readonly #cold: Uint16Array;
  readonly #coldOnly: Uint8Array;
  /** Nodes of the tree of pure values below each pure value. */
  readonly #size: Uint16Array;

  constructor(coldExits: ReadonlySet<string>, first: number, count: number) {
    this.#coldExits = coldExits;
    this.#first = first;
    this.#hot = new Uint16Array(count);
    this.#cold = new Uint16Array(count);
    this.#coldOnly = new Uint8Array(count);
    this.#size = new Uint16Array(count);
  }

  isUnused(id: number): boolean {
    return this.#hot[id - this.#first] === 0 && this.#cold[id - this.#first] === 0;
  }

  isSingle(id: number): boolean {
    return this.#hot[id - this.#first] === 1 && this.#cold[id - this.#first] === 0;
  }

  isColdOnly(id: number): boolean {
    return this.#coldOnly[id - this.#first] === 1;
  }

  measure(nodes: readonly Node[]): void {
    for (const node of nodes) {
      if (PURE.has(node.kind)) {
        let size = 1;
        if ("args" in node) for (const { id } of node.args) size += this.#size[id - this.#first] ?? 0;
        this.#size[(node as Definition).result.id - this.#first] = Math.min(size, 1000);
      } else if (node.kind === "if") {
        this.measure(node.whenTrue);
        this.measure(node.whenFalse);
      } else if (node.kind === "loop") this.measure(node.body);
    }
  }

  count(nodes: readonly Node[]): void {
    for (let i = nodes.length - 1; i >= 0; i--) this.#countNode(nodes[i] as Node);
  }

  #countNode(node: Node): void {
    if (node.kind === "if") {
      this.count(node.whenFalse);
      this.count(node.whenTrue);
    } else if (node.kind === "loop") this.count(node.body);
    if (!("args" in node)) return;
    if (node.kind === "exit") this.#add(this.#coldExits.has(node.exit) ? this.#cold : this.#hot, node.args);
    else if ("result" in node && node.result !== undefined && node.kind !== "call") this.#countDefinition(node);
    else this.#add(this.#hot, node.args);
  }

  #countDefinition(node: Definition): void {
    const index = node.result.id - this.#first;
    if (!("args" in node)) return;
    const hot = (this.#hot[index] as number) > 0;
    if (!hot && this.#cold[index] === 0) return;
    const cold = !hot && PURE.has(node.kind) && (this.#size[index] as number) <= COLD_TREE;
    if (cold) this.#coldOnly[index] = 1;
    this.#add(cold ? this.#cold : this.#hot, node.args);
  }

  #add(counts: Uint16Array, args: readonly Val[]): void {
    for (const { id } of args) {
      const index = id - this.#first;
      // Constants that are not defined here are out of range; counts beyond a few need not be exact.
      if (index >= 0 && index < counts.length && (counts[index] as number) < 1000) counts[index]!++;
    }
  }
}

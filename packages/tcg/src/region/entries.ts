// A region may be entered in the middle: behind a call that left it, or at the head of a loop whose fuel ran out. WebAssembly
// has no jumps into loops, so a loop with such entries gets a switch in front of its header, through which they go.
import { analyse, type ControlFlow, dominates, type Loop, naturalLoops, type Successors } from "./control-flow.ts";

/** Control flow as the guest's code has it. Block 0 is where the region was found hot. */
export interface RegionFlow {
  /** Blocks that control may go to without leaving; one of them as often as there are edges to it. */
  readonly successors: Successors;
  /** Blocks to which a called function returns, for each block that ends in a call. */
  readonly returns: Successors;
  /** Blocks at which the region is never entered; none if absent. */
  readonly closed?: ReadonlySet<number>;
}

/** A block that branches on which entry was asked for. */
export interface SwitchBlock {
  /** By number of the entry: where to go; `arrived` if that is the entry itself. */
  readonly cases: ReadonlyMap<number, { readonly block: number; readonly arrived: boolean }>;
  /** Where control goes that came another way; undefined: there is no other way. */
  readonly otherwise: number | undefined;
}

/** Blocks of the guest's code first, switches behind them. */
export interface StructuredFlow {
  readonly successors: Successors;
  readonly switches: ReadonlyMap<number, SwitchBlock>;
  /** The first switch: where the region begins. */
  readonly root: number;
  /** Blocks that can be entered; the number of an entry is its position here plus one. */
  readonly entries: readonly number[];
  /** Blocks of the guest's code at which loops begin. */
  readonly headers: ReadonlySet<number>;
  /** Where an edge to a block really goes. */
  readonly landing: (block: number) => number;
  /** Edges that would make a loop of two headers; whoever takes one must leave, as `from,to`. */
  readonly refused: ReadonlySet<string>;
  readonly flow: ControlFlow;
}

/** Brings the flow into a form that structured control can express. */
export function structureEntries({ successors, returns, closed }: RegionFlow): StructuredFlow {
  const logical = successors.map((list, i) => [...list, ...(returns[i] as readonly number[])]);
  const first = analyse(logical);
  const [back, refusedEdges] = partition(first.retreating, ([from, to]) => dominates(first, to, from));
  const refused = new Set(refusedEdges.map(([from, to]) => `${from},${to}`));
  const kept = logical.map((list, from) => list.filter((to) => !refused.has(`${from},${to}`)));
  const loops = naturalLoops(kept, first.order, back);
  const headers = new Set(loops.map(({ header }) => header));
  const returned = first.order.flatMap((block) => returns[block] as readonly number[]);
  const entries = [...new Set([0, ...headers, ...returned])].filter((block) => closed?.has(block) !== true);
  const switches = new SwitchPlacer(successors.length, loops, entries);
  const real = successors.map((list, from) =>
    (first.position[from] as number) < 0
      ? []
      : list.filter((to) => !refused.has(`${from},${to}`)).map((to) => switches.landing(to)),
  );
  for (const [block, { cases, otherwise }] of switches.switches) {
    const targets = [...cases.values()].map((one) => one.block);
    real[block] = otherwise === undefined ? targets : [otherwise, ...targets];
  }
  const flow = analyse(real, switches.root);
  if (!flow.retreating.every(([from, to]) => dominates(flow, to, from)))
    throw new Error("a region's entries made a loop of two headers");
  return { successors: real, ...switches.result, refused, headers, flow };
}

/** Decides which loops need a switch, and where each entry's way goes. */
class SwitchPlacer {
  readonly switches = new Map<number, SwitchBlock>();
  readonly root: number;
  readonly #entries: readonly number[];
  readonly #loops: readonly Loop[];
  readonly #switchOf = new Map<number, number>();

  constructor(blocks: number, loops: readonly Loop[], entries: readonly number[]) {
    this.#loops = loops;
    this.#entries = entries;
    let next = blocks;
    this.root = next++;
    for (const loop of loops) if (this.#inside(loop).length > 0) this.#switchOf.set(loop.header, next++);
    for (const loop of loops) {
      const block = this.#switchOf.get(loop.header);
      if (block === undefined) continue;
      const cases = new Map(this.#inside(loop).map((entry) => [this.#number(entry), this.#hop(entry, loop)]));
      this.switches.set(block, { cases, otherwise: loop.header });
    }
    const cases = new Map(entries.map((entry) => [this.#number(entry), this.#hop(entry, undefined)]));
    this.switches.set(this.root, { cases, otherwise: undefined });
  }

  get result(): Pick<StructuredFlow, "switches" | "root" | "entries" | "landing"> {
    return {
      switches: this.switches,
      root: this.root,
      entries: this.#entries,
      landing: (block) => this.landing(block),
    };
  }

  /** The switch in front of a header, or the block itself. */
  landing(block: number): number {
    return this.#switchOf.get(block) ?? block;
  }

  #number(entry: number): number {
    return this.#entries.indexOf(entry) + 1;
  }

  /** Entries in a loop other than its header. */
  #inside({ header, body }: Loop): number[] {
    return this.#entries.filter((entry) => entry !== header && body.has(entry));
  }

  /** The next step to an entry from the switch of `loop` (undefined: from outside all loops): the outermost loop in between. */
  #hop(entry: number, loop: Loop | undefined): { block: number; arrived: boolean } {
    const between = this.#loops.filter(
      (other) => other !== loop && other.body.has(entry) && (loop === undefined || isInner(other, loop)),
    );
    const outermost = between.at(-1);
    if (outermost === undefined) return { block: entry, arrived: true };
    return { block: this.landing(outermost.header), arrived: outermost.header === entry };
  }
}

const isInner = (inner: Loop, outer: Loop): boolean =>
  inner.body.size < outer.body.size && outer.body.has(inner.header);

function partition<T>(list: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((item) => !test(item))];
}

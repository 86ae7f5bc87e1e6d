// Dominators and natural loops of a directed graph. Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001).

/** A graph by its successor lists; node 0 is the root and reaches every node. */
export type Successors = readonly (readonly number[])[];

/** What is known of a graph's shape. */
export interface ControlFlow {
  /** Nodes in reverse postorder. */
  readonly order: readonly number[];
  /** Position of each node in `order`; -1: not reachable. */
  readonly position: readonly number[];
  /** Immediate dominator of each node; the root's is itself. */
  readonly dominator: readonly number[];
  /** Edges that go back in `order`, as [from, to]. */
  readonly retreating: readonly (readonly [number, number])[];
}

/** Analyses the part of the graph that the root reaches. */
export function analyse(successors: Successors, root = 0): ControlFlow {
  const order = reversePostorder(successors, root);
  const position = new Array<number>(successors.length).fill(-1);
  for (const [i, node] of order.entries()) position[node] = i;
  const predecessors = predecessorsOf(successors, order);
  const retreating: [number, number][] = [];
  for (const from of order)
    for (const to of successors[from] as readonly number[])
      if ((position[to] as number) <= (position[from] as number)) retreating.push([from, to]);
  return { order, position, dominator: dominators(order, position, predecessors, root), retreating };
}

/** Whether every way to `node` leads through `by`. */
export function dominates({ dominator }: ControlFlow, by: number, node: number): boolean {
  for (let at = node; ; at = dominator[at] as number) {
    if (at === by) return true;
    if (dominator[at] === at) return false;
  }
}

/** Predecessor lists, over the nodes in `order`. */
export function predecessorsOf(successors: Successors, order: readonly number[]): number[][] {
  const predecessors: number[][] = successors.map(() => []);
  for (const from of order) for (const to of successors[from] as readonly number[]) predecessors[to]?.push(from);
  return predecessors;
}

/** A natural loop: its header and all nodes from which a back edge is reached without passing it. */
export interface Loop {
  readonly header: number;
  readonly body: ReadonlySet<number>;
}

/** The natural loops whose back edges are given, those of one header as one; inner ones before outer ones. */
export function naturalLoops(
  successors: Successors,
  order: readonly number[],
  backEdges: readonly (readonly [number, number])[],
): Loop[] {
  const predecessors = predecessorsOf(successors, order);
  const bodies = new Map<number, Set<number>>();
  for (const [from, header] of backEdges) {
    const body = bodies.get(header) ?? new Set([header]);
    bodies.set(header, body);
    const work = [from];
    for (let node = work.pop(); node !== undefined; node = work.pop()) {
      if (body.has(node)) continue;
      body.add(node);
      work.push(...(predecessors[node] as number[]));
    }
  }
  const loops = [...bodies].map(([header, body]) => ({ header, body }));
  return loops.sort((a, b) => a.body.size - b.body.size);
}

function reversePostorder(successors: Successors, root: number): number[] {
  const seen = new Set([root]);
  const postorder: number[] = [];
  const stack: { node: number; next: number }[] = [{ node: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = (successors[top.node] as readonly number[])[top.next++];
    if (to === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      stack.push({ node: to, next: 0 });
    }
  }
  return postorder.reverse();
}

function dominators(
  order: readonly number[],
  position: readonly number[],
  predecessors: readonly (readonly number[])[],
  root: number,
): number[] {
  const dominator = new Array<number>(position.length).fill(-1);
  dominator[root] = root;
  const meet = (x: number, y: number): number => {
    let [a, b] = [x, y];
    while (a !== b)
      if ((position[a] as number) > (position[b] as number)) a = dominator[a] as number;
      else b = dominator[b] as number;
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of order) {
      if (node === root) continue;
      const known = (predecessors[node] as readonly number[]).filter((p) => dominator[p] !== -1);
      const next = known.reduce(meet);
      if (dominator[node] === next) continue;
      dominator[node] = next;
      changed = true;
    }
  }
  return dominator;
}

import type { SlotTable } from "../ir/slots.ts";
import type { ExitNode, Node } from "../ir/types.ts";
import { type SlotSet, SlotSets } from "./slot-set.ts";

/** Name of the exits that stay in the region; all others leave it. */
export const GOTO = "goto";

/**
 * Which slots' variables matter at the start of each block: they are read, or written back by an exit, before a new value
 * is set.
 */
export function liveSlots(
  blocks: ReadonlyMap<number, readonly Node[]>,
  table: SlotTable,
): ReadonlyMap<number, SlotSet> {
  const sets = new SlotSets(table);
  const cached = sets.of(table.slots.flatMap(({ policy }, i) => (policy === "cached" ? [i] : [])));
  const facts = [...blocks].map(([block, nodes]) => ({ block, ...collect(nodes, sets, cached) }));
  const live = new Map<number, SlotSet>(facts.map(({ block, used }) => [block, used]));
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = facts.length - 1; i >= 0; i--) {
      const { block, edges } = facts[i] as (typeof facts)[number];
      const before = live.get(block) as SlotSet;
      let after = before;
      for (const { target, set } of edges) after |= (live.get(target) ?? 0n) & ~set;
      if (after === before) continue;
      live.set(block, after);
      changed = true;
    }
  }
  return live;
}

interface Facts {
  readonly used: SlotSet;
  readonly edges: readonly { readonly target: number; readonly set: SlotSet }[];
}

function collect(nodes: readonly Node[], sets: SlotSets, cached: SlotSet): Facts {
  let used = 0n;
  const edges: { target: number; set: SlotSet }[] = [];
  forEachNode(nodes, (node) => {
    if (node.kind === "get") used |= sets.ofVariable(node.variable);
    else if (node.kind === "exit") {
      const set = sets.ofVariables(node.sets ?? []);
      if (node.exit === GOTO) edges.push({ target: node.target as number, set });
      else used |= cached & ~set;
    }
  });
  return { used, edges };
}

/** Calls `visit` for every node, in the order they stand. */
export function forEachNode(nodes: readonly Node[], visit: (node: Node) => void): void {
  for (const node of nodes) {
    visit(node);
    if (node.kind === "if") {
      forEachNode(node.whenTrue, visit);
      forEachNode(node.whenFalse, visit);
    } else if (node.kind === "loop") forEachNode(node.body, visit);
  }
}

/** The same nodes, with edges that set only what matters at their target. */
export function dropDeadSets(
  nodes: readonly Node[],
  live: ReadonlyMap<number, SlotSet>,
  table: SlotTable,
): readonly Node[] {
  return nodes.map((node) => {
    if (node.kind === "if")
      return {
        ...node,
        whenTrue: dropDeadSets(node.whenTrue, live, table),
        whenFalse: dropDeadSets(node.whenFalse, live, table),
      };
    if (node.kind === "loop") return { ...node, body: dropDeadSets(node.body, live, table) };
    if (node.kind !== "exit" || node.exit !== GOTO || node.sets === undefined) return node;
    return withoutDead(node, live.get(node.target as number) ?? 0n, table);
  });
}

function withoutDead(node: ExitNode, live: SlotSet, table: SlotTable): ExitNode {
  const sets = node.sets ?? [];
  const kept = sets.flatMap((variable, i) => ((live >> BigInt(table.slotOf(variable))) & 1n ? [i] : []));
  const args = [...kept.map((i) => node.args[i]!), ...node.args.slice(sets.length)];
  return { ...node, sets: kept.map((i) => sets[i]!), args };
}

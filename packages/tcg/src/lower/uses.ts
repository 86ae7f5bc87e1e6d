import type { Node } from "../ir/types.ts";

/** Nodes a cold value may be made of at most, shared ones as often as they are used; a larger one is computed where it stands. */
const COLD_TREE = 64;
/** Up to so many nodes a value is written again rather than kept in a local. */
export const SMALL_TREE = 3;

/**
 * Counts the uses of values, into the nodes themselves: from the end, so that what only unused values need counts as
 * unused. A pure value that cold exits alone need, and that is cheap to compute again, counts as cold: so do its operands.
 */
export function countUses(nodes: readonly Node[], coldExits: ReadonlySet<string> | undefined): void {
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node;
    switch (node.kind) {
      case "if":
        countUses(node.otherwise, coldExits);
        countUses(node.body, coldExits);
        use(node.args);
        break;
      case "loop":
        countUses(node.body, coldExits);
        break;
      case "exit":
        if (coldExits?.has(node.op)) useColdly(node.args);
        else use(node.args);
        break;
      case "call":
      case "store":
      case "copy":
      case "fill":
      case "set":
        use(node.args);
        break;
      default:
        countDefinition(node);
    }
  }
}

function countDefinition(node: Node): void {
  if (node.uses > 0) use(node.args);
  else if (node.coldUses > 0) {
    if (isColdOnly(node)) useColdly(node.args);
    else use(node.args);
  }
}

/** Computed at each cold exit that needs it, and nowhere else. */
export const isColdOnly = ({ uses, coldUses, kind, size }: Node): boolean =>
  uses === 0 && coldUses > 0 && size <= COLD_TREE && kind !== "load" && kind !== "get";

function use(args: readonly Node[]): void {
  for (let i = 0; i < args.length; i++) (args[i] as Node).uses++;
}

function useColdly(args: readonly Node[]): void {
  for (let i = 0; i < args.length; i++) (args[i] as Node).coldUses++;
}

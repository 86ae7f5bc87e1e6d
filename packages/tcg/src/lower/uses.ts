import type { Node } from "../ir/types.ts";

/** Nodes a cold value may be made of at most, shared ones as often as they are used; a larger one is computed where it stands. */
const COLD_TREE = 64;
/** Up to so many nodes a value is written again rather than kept in a local. */
export const SMALL_TREE = 3;

/** Where values are hardly ever needed. */
export interface ColdPlaces {
  readonly exits: ReadonlySet<string>;
  /** Whether the first branch of an if is hardly ever taken. */
  isUnlikely(node: Node): boolean;
}

/**
 * Counts the uses of values, into the nodes themselves: from the end, so that what only unused values need counts as
 * unused. A pure value that cold places alone need, and that is cheap to compute again, counts as cold: so do its operands.
 */
export function countUses(nodes: readonly Node[], cold: ColdPlaces | undefined, isCold = false): void {
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node;
    switch (node.kind) {
      case "if":
        countUses(node.otherwise, cold, isCold);
        countBranch(node, cold, isCold);
        useIn(isCold, node.args);
        break;
      case "loop":
        countUses(node.body, cold);
        break;
      case "exit":
        useIn(isCold || cold?.exits.has(node.op) === true, node.args);
        break;
      case "call":
      case "store":
      case "copy":
      case "fill":
      case "set":
        useIn(isCold, node.args);
        break;
      default:
        countDefinition(node, isCold);
    }
  }
}

function countBranch(node: Node, cold: ColdPlaces | undefined, isCold: boolean): void {
  const isUnlikely = !isCold && cold?.isUnlikely(node) === true;
  if (isUnlikely) markDefined(node.body);
  countUses(node.body, cold, isCold || isUnlikely);
}

function markDefined(nodes: readonly Node[]): void {
  for (const node of nodes) {
    node.definedColdly = true;
    markDefined(node.body);
    markDefined(node.otherwise);
  }
}

/** What is defined in a cold place itself is used there as anywhere. */
function useIn(isCold: boolean, args: readonly Node[]): void {
  if (!isCold) return use(args);
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Node;
    if (arg.definedColdly) arg.uses++;
    else arg.coldUses++;
  }
}

function countDefinition(node: Node, isCold: boolean): void {
  if (node.uses > 0) useIn(isCold, node.args);
  else if (node.coldUses > 0) {
    if (isColdOnly(node)) useColdly(node.args);
    else useIn(isCold, node.args);
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

import type { LoadOp, StoreOp } from "@tsvm/wasm-emit";
import type { IrBuilder } from "./builder.ts";
import { readSlot, type SlotTable, writeSlot } from "./slots.ts";
import type { Node, Val, Variable } from "./types.ts";

/** What is known of one slot: its value, and whether its variable still has an older one. */
interface Known {
  readonly value: Val;
  readonly pending: boolean;
}

/** Values that variables have to get before control goes elsewhere. */
export interface PendingSets {
  readonly variables: readonly Variable[];
  readonly values: readonly Val[];
}

/**
 * The values of slots while a block is built: loads are answered with what was stored, stores to lazy slots wait until
 * control leaves.
 *
 * Invariant: a slot of which nothing is known has its value in its variable.
 */
export class SlotFile {
  readonly #table: SlotTable;
  #known: (Known | undefined)[];

  constructor(table: SlotTable) {
    this.#table = table;
    this.#known = new Array(table.slots.length).fill(undefined);
  }

  /** The slot at `address`, or -1. */
  find(address: number): number {
    return this.#table.find(address);
  }

  load(b: IrBuilder, slot: number, op: LoadOp, address: number): Val {
    const { slots } = this.#table;
    const { address: start } = slots[slot] as { address: number };
    return readSlot(b, slots[slot]!, this.value(b, slot), op, address - start);
  }

  /** @returns whether the store must go to memory as well. */
  store(b: IrBuilder, slot: number, op: StoreOp, address: number, value: Val): boolean {
    const described = this.#table.slots[slot]!;
    const next = writeSlot(b, described, () => this.value(b, slot), op, address - described.address, value);
    if (described.lazy !== true) b.set(this.#table.variables[slot] as Variable, next);
    this.#known[slot] = { value: next, pending: described.lazy === true };
    return described.policy === "mirrored";
  }

  /** The slot's whole value. */
  value(b: IrBuilder, slot: number): Val {
    const known = this.#known[slot];
    if (known !== undefined) return known.value;
    const value = b.get(this.#table.variables[slot] as Variable);
    this.#known[slot] = { value, pending: false };
    return value;
  }

  /** What the variables lack. */
  pending(): PendingSets {
    const variables: Variable[] = [];
    const values: Val[] = [];
    for (const [slot, known] of this.#known.entries())
      if (known?.pending && this.#table.slots[slot]!.policy !== "scratch") {
        variables.push(this.#table.variables[slot] as Variable);
        values.push(known.value);
      }
    return { variables, values };
  }

  /** Forgets everything: a new block starts, with all values in the variables. */
  clear(): void {
    this.#known.fill(undefined);
  }

  /** For a branch: what is known, to be given to {@link restore} or {@link merge}. */
  snapshot(): readonly (Known | undefined)[] {
    return this.#known.slice();
  }

  restore(known: readonly (Known | undefined)[]): void {
    this.#known = known.slice();
  }

  /**
   * After an if both of whose branches go on: slots on which they disagree move to their variables, by statements added
   * to the end of each branch. Of what this file knows (the end of the second branch), the rest stays.
   */
  merge(first: readonly (Known | undefined)[], firstNodes: Node[], secondNodes: Node[]): void {
    for (const [slot, variable] of this.#table.variables.entries()) {
      const [x, y] = [first[slot], this.#known[slot]];
      if (x === y) continue;
      if (x?.pending) firstNodes.push({ kind: "set", variable, args: [x.value] });
      if (y?.pending) secondNodes.push({ kind: "set", variable, args: [y.value] });
      this.#known[slot] = undefined;
    }
  }
}

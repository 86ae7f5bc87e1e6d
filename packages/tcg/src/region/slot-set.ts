import type { SlotTable } from "../ir/slots.ts";
import type { Variable } from "../ir/types.ts";

/** A set of slots: bit i stands for slot i. */
export type SlotSet = bigint;

/** Makes sets of the slots of one table. */
export class SlotSets {
  readonly #table: SlotTable;
  readonly #single: readonly SlotSet[];
  /** Exits one after the other set mostly the same variables. */
  readonly #ofVariables = new Map<string, SlotSet>();

  constructor(table: SlotTable) {
    this.#table = table;
    this.#single = table.slots.map((_, i) => 1n << BigInt(i));
  }

  of(slots: readonly number[]): SlotSet {
    return slots.reduce((set, slot) => set | (this.#single[slot] as SlotSet), 0n);
  }

  /** The slot of a variable; empty if it has none. */
  ofVariable(variable: Variable): SlotSet {
    return this.#single[this.#table.slotOf(variable)] ?? 0n;
  }

  ofVariables(variables: readonly Variable[]): SlotSet {
    if (variables.length === 0) return 0n;
    const key = variables.map(({ variable }) => variable).join();
    const known = this.#ofVariables.get(key);
    if (known !== undefined) return known;
    const set = variables.reduce((all, variable) => all | this.ofVariable(variable), 0n);
    this.#ofVariables.set(key, set);
    return set;
  }
}

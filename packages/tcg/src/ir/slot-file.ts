import type { LoadOp, StoreOp } from "@tsvm/wasm-emit";
import type { IrBuilder } from "./builder.ts";
import { readSlot, type SlotTable, writeSlot } from "./slots.ts";
import { Node, type Val, type Variable } from "./types.ts";

/** What was known of a slot before it changed. */
interface Change {
  readonly slot: number;
  readonly value: Val | undefined;
  readonly pending: boolean;
}

/**
 * The values of slots while a block is built: loads are answered with what was stored, stores to lazy slots wait until
 * control leaves.
 *
 * Invariants:
 * 1. A slot of which nothing is known has its value in its variable.
 * 2. Only lazy slots are pending: their variables still have older values. In a block that defers all slots are lazy, but
 *    scratch.
 */
export class SlotFile {
  readonly #table: SlotTable;
  readonly #values: (Val | undefined)[];
  readonly #pending: boolean[];
  /** Slots that are not scratch: all of them, and the lazy ones. */
  readonly #kept: readonly number[];
  readonly #keptLazily: readonly number[];
  #defers = false;
  /** What branches have to take back, the oldest first; empty outside of branches. */
  readonly #changes: Change[] = [];
  #depth = 0;

  constructor(table: SlotTable) {
    this.#table = table;
    this.#values = new Array(table.slots.length).fill(undefined);
    this.#pending = new Array(table.slots.length).fill(false);
    this.#kept = table.slots.flatMap(({ policy }, i) => (policy === "scratch" ? [] : [i]));
    this.#keptLazily = this.#kept.filter((slot) => table.slots[slot]!.lazy === true);
  }

  /** Starts a block, with all values in the variables. @param defers its slots are set as it is left only. */
  begin(defers: boolean): void {
    this.clear();
    this.#defers = defers;
  }

  /** The block sets its slots as it is left only. */
  get defers(): boolean {
    return this.#defers;
  }

  /** The slot at `address`, or -1. */
  find(address: number): number {
    return this.#table.find(address);
  }

  load(b: IrBuilder, slot: number, op: LoadOp, address: number): Val {
    const described = this.#table.slots[slot]!;
    return readSlot(b, described, this.value(b, slot), op, address - described.address);
  }

  /** @returns whether the store must go to memory as well. */
  store(b: IrBuilder, slot: number, op: StoreOp, address: number, value: Val): boolean {
    const described = this.#table.slots[slot]!;
    const lazy = described.lazy === true || (this.#defers && described.policy !== "scratch");
    const next = writeSlot(b, described, () => this.value(b, slot), op, address - described.address, value);
    if (!lazy) b.set(this.#table.variables[slot] as Variable, next);
    this.#put(slot, next, lazy);
    return described.policy === "mirrored";
  }

  /** The slot's whole value. */
  value(b: IrBuilder, slot: number): Val {
    const known = this.#values[slot];
    if (known !== undefined) return known;
    const value = b.get(this.#table.variables[slot] as Variable);
    this.#put(slot, value, false);
    return value;
  }

  /** Gives an exit what the variables lack. */
  settle(exit: Node): void {
    let sets: Variable[] | undefined;
    let values: Val[] | undefined;
    for (const slot of this.#defers ? this.#kept : this.#keptLazily)
      if (this.#pending[slot]) {
        sets ??= [];
        values ??= [];
        sets.push(this.#table.variables[slot] as Variable);
        values.push(this.#values[slot] as Val);
      }
    if (sets === undefined || values === undefined) return;
    exit.sets = sets;
    exit.args = values.concat(exit.args);
  }

  /** Sets the variables that are behind, and forgets everything: control may come here from elsewhere. */
  flush(b: IrBuilder): void {
    for (let slot = 0; slot < this.#pending.length; slot++)
      if (this.#pending[slot]) b.set(this.#table.variables[slot] as Variable, this.#values[slot] as Val);
    this.clear();
  }

  /** Forgets everything: all values are in the variables. */
  clear(): void {
    if (this.#depth === 0) {
      this.#values.fill(undefined);
      this.#pending.fill(false);
    } else for (let slot = 0; slot < this.#values.length; slot++) this.#put(slot, undefined, false);
  }

  /** Starts a branch; to be ended by {@link leaveBranch}. */
  enterBranch(): number {
    this.#depth++;
    return this.#changes.length;
  }

  /** Ends a branch that started at `mark`: takes its changes back, and returns how things stood at its end. */
  leaveBranch(mark: number): readonly Change[] {
    this.#depth--;
    if (this.#changes.length === mark) return NO_CHANGES;
    const ends = new Map<number, Change>();
    for (let i = this.#changes.length - 1; i >= mark; i--) {
      const { slot, value, pending } = this.#changes[i] as Change;
      if (!ends.has(slot)) ends.set(slot, { slot, value: this.#values[slot], pending: this.#pending[slot] as boolean });
      this.#values[slot] = value;
      this.#pending[slot] = pending;
    }
    this.#changes.length = mark;
    return [...ends.values()];
  }

  /** Takes a branch's changes back without a look at them: it leaves. */
  dropBranch(mark: number): void {
    this.#depth--;
    while (this.#changes.length > mark) {
      const { slot, value, pending } = this.#changes.pop() as Change;
      this.#values[slot] = value;
      this.#pending[slot] = pending;
    }
  }

  /** Things stand as at the end of a branch, which was the only one to go on. */
  adopt(end: readonly Change[]): void {
    for (const { slot, value, pending } of end) this.#put(slot, value, pending);
  }

  /**
   * After an if both of whose branches go on: slots on which they disagree move to their variables, by statements added
   * to the end of each branch.
   */
  merge(first: readonly Change[], second: readonly Change[], firstNodes: Node[], secondNodes: Node[]): void {
    const slots = new Set([...first, ...second].map(({ slot }) => slot));
    for (const slot of slots) {
      const before: Change = { slot, value: this.#values[slot], pending: this.#pending[slot] as boolean };
      const x = first.find((end) => end.slot === slot) ?? before;
      const y = second.find((end) => end.slot === slot) ?? before;
      const agreed = x.value === y.value && x.pending === y.pending;
      if (!agreed) {
        this.#set(firstNodes, x);
        this.#set(secondNodes, y);
      }
      this.#put(slot, agreed ? x.value : undefined, agreed && x.pending);
    }
  }

  #set(nodes: Node[], { slot, value, pending }: Change): void {
    if (!pending) return;
    const node = new Node("set", "i32", 0, "", [value as Val]);
    node.variable = this.#table.variables[slot] as Variable;
    nodes.push(node);
  }

  #put(slot: number, value: Val | undefined, pending: boolean): void {
    if (this.#depth > 0)
      this.#changes.push({ slot, value: this.#values[slot], pending: this.#pending[slot] as boolean });
    this.#values[slot] = value;
    this.#pending[slot] = pending;
  }
}

const NO_CHANGES: readonly Change[] = [];

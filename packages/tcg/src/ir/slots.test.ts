import { describe, expect, test } from "vitest";
import { IrBuilder } from "./builder.ts";
import { SlotTable } from "./slots.ts";
import type { Node } from "./types.ts";

const table = new SlotTable([
  { address: 0, type: "i64", policy: "cached" },
  { address: 8, type: "i64", policy: "cached", lazy: true },
  { address: 16, type: "v128", policy: "cached" },
  { address: 32, type: "i64", policy: "mirrored" },
]);
const kinds = (nodes: readonly Node[]): string[] => nodes.map(({ kind }) => kind);
const start = (): IrBuilder => {
  const b = new IrBuilder(table);
  b.beginBlock();
  return b;
};

describe("slots", () => {
  test("are found by address, beside memory that is none of them", () => {
    expect([0, 7, 8, 16, 31, 32, 40].map((address) => table.find(address))).toEqual([0, 0, 1, 2, 2, 3, -1]);
  });

  test("a load after a store is the stored value", () => {
    const b = start();
    const value = b.const(5);
    b.store("i64.store", undefined, 0, value);
    expect(b.load("i64.load", undefined, 0)).toBe(value);
    expect(b.load("i64.load8_u", undefined, 1).constant).toBe(0);
  });

  test("a narrow store keeps the other bytes", () => {
    const b = start();
    b.store("i64.store", undefined, 0, b.const(0x1122_3344_5566_7788n));
    b.store("i64.store8", undefined, 1, b.const(0xaa));
    expect(b.load("i64.load", undefined, 0).constant).toBe(0x1122_3344_5566_aa88n);
    expect(b.load("i64.load16_u", undefined, 0).constant).toBe(0xaa88);
  });

  test("a lazy one is set on the ways out only, any other at once, a mirrored one in memory too", () => {
    const b = start();
    b.store("i64.store", undefined, 0, b.const(1));
    b.store("i64.store", undefined, 8, b.const(2));
    b.store("i64.store", undefined, 32, b.const(3));
    b.goTo(0);
    const nodes = b.take();
    expect(kinds(nodes)).toEqual(["set", "set", "store", "exit"]);
    expect(nodes[3]?.sets).toEqual([table.variables[1]]);
  });

  test("branches that disagree meet in the variable", () => {
    const b = start();
    b.store("i64.store", undefined, 8, b.const(1));
    b.when(b.eqz(b.load("i64.load", undefined, 0)), () => b.store("i64.store", undefined, 8, b.const(2)));
    expect(b.load("i64.load", undefined, 8).constant).toBeUndefined();
    const branch = b.take().find((node) => node.kind === "if");
    expect([kinds(branch?.body ?? []), kinds(branch?.otherwise ?? [])]).toEqual([["set"], ["set"]]);
  });

  test("a branch that leaves changes nothing for the other", () => {
    const b = start();
    const value = b.const(1);
    b.store("i64.store", undefined, 8, value);
    b.when(b.eqz(b.load("i64.load", undefined, 0)), () => {
      b.store("i64.store", undefined, 8, b.const(2));
      b.exit("leave", b.const32(0));
    });
    expect(b.load("i64.load", undefined, 8)).toBe(value);
  });

  test("a float that is written and read again never was an integer", () => {
    const b = start();
    const float = b.load("f64.load", undefined, 16);
    b.store("f64.store", undefined, 16, b.op("f64.neg", float));
    const ops = b.take().map(({ kind, op }) => (op === "" ? kind : op));
    expect(ops).toEqual([
      "get",
      "i64x2.extract_lane",
      "f64x2.extract_lane",
      "f64.neg",
      "i64.reinterpret_f64",
      "f64x2.replace_lane",
      "set",
    ]);
  });

  test("an access that reaches beyond its slot is refused", () => {
    expect(() => start().load("i64.load", undefined, 4)).toThrow("reaches beyond a slot");
  });
});

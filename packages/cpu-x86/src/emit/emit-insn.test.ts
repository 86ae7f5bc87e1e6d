import { describe, expect, test } from "vitest";
import { row, type Semantics } from "../instructions/row.ts";
import { emitHandler } from "./emit-insn.ts";
import type { Shape } from "./shape.ts";

const FACTS = { opsize: 64, asize: 64, stack: "s64", rep: "none", inPage: false, code64: true } as const;
const jump: Semantics = (b) => b.jumpTo(b.const(0));

describe("places of a record that two things have", () => {
  const refused = (shape: Shape) => expect(() => emitHandler(shape)).toThrow("a field of its record is counted in");

  test("a jump counts where its register operand is", () => {
    refused({ ...FACTS, row: row("FF /r", "JUMP", ["Gv"], jump, { flow: "jump" }), form: "reg" });
  });

  test("what notes its target is followed by no records of its own", () => {
    refused({ ...FACTS, row: row("FF", "JUMP", [], jump), form: "reg" });
  });

  test("a conditional branch counts where the base register is", () => {
    refused({ ...FACTS, row: row("FF /0", "BRANCH", ["Ev"], jump, { flow: "branch" }), form: "m64" });
  });

  test("jumps by a register or by memory have neither", () => {
    const shape = { ...FACTS, row: row("FF /4", "JUMP", ["Ev"], jump, { flow: "jump" }) };
    for (const form of ["reg", "mea"] as const) expect(() => emitHandler({ ...shape, form })).not.toThrow();
  });
});

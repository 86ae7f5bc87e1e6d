import { describe, expect, it } from "vitest";
import { Features } from "../cpuid/features.ts";
import { emitInsn } from "../emit/emit-insn.ts";
import { recordFields } from "../emit/fields.ts";
import { HandlerNumbering } from "../emit/handlers.ts";
import { allRows } from "./all-rows.ts";
import { rows as far } from "./far.ts";
import { rows as io } from "./io.ts";
import { rows as system } from "./system.ts";

describe("system rows", () => {
  it("emit in every shape, with all faults before the first commit", () => {
    const { shapes } = new HandlerNumbering([...far, ...io, ...system]);
    expect(shapes.length).toBeGreaterThan(300);
    for (const shape of shapes) expect(() => emitInsn(shape, recordFields)).not.toThrow();
  });

  it("name features that exist", () => {
    const none = new Features([]);
    for (const { cpuid } of allRows) if (cpuid !== undefined) expect(none.has(cpuid)).toBe(false);
  });
});

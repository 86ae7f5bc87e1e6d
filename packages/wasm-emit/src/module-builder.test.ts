import { expect, test } from "vitest";
import { CodeWriter } from "./code-writer.ts";
import { ModuleBuilder } from "./module-builder.ts";
import { PLAIN, SATURATING, VECTOR } from "./opcodes.ts";

const BINARY_I32 = { params: ["i32", "i32"], results: ["i32"] } as const;

function instantiate(module: ModuleBuilder, env: Record<string, unknown> = {}): WebAssembly.Exports {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const imports = { env: { memory, ...env } } as WebAssembly.Imports;
  return new WebAssembly.Instance(new WebAssembly.Module(module.build()), imports).exports;
}

test("a module with imports, a table and locals runs", () => {
  const module = new ModuleBuilder({ minPages: 1 });
  const twice = module.importFunction("env", "twice", { params: ["i32"], results: ["i32"] });
  const add = module.declareFunction();
  const body = new CodeWriter();
  body.localGet(0);
  body.localGet(1);
  body.op("i32.add");
  module.defineFunction(add, BINARY_I32, [], body);
  const run = new CodeWriter();
  run.localGet(0);
  run.call(twice);
  run.localSet(2);
  run.localGet(2);
  run.localGet(1);
  run.i32Const(0);
  run.callIndirect(module.typeOf(BINARY_I32.params, BINARY_I32.results));
  module.defineFunction(module.declareFunction(), BINARY_I32, ["i32"], run, "run");
  module.setTable([add]);
  const exports = instantiate(module, { twice: (x: number) => 2 * x });
  expect((exports["run"] as (a: number, b: number) => number)(20, 2)).toBe(42);
});

test("br_table picks by index and falls back to the default", () => {
  const module = new ModuleBuilder({ minPages: 1 });
  const code = new CodeWriter();
  for (let i = 0; i < 3; i++) code.block();
  code.localGet(0);
  code.brTable([0, 1], 2);
  code.end();
  code.i32Const(10);
  code.return();
  code.end();
  code.i32Const(20);
  code.return();
  code.end();
  code.i32Const(30);
  const type = { params: ["i32"], results: ["i32"] } as const;
  module.defineFunction(module.declareFunction(), type, [], code, "pick");
  const pick = instantiate(module)["pick"] as (i: number) => number;
  expect([0, 1, 2, 99].map(pick)).toEqual([10, 20, 30, 30]);
});

test("imports after a definition and functions without body are refused", () => {
  const module = new ModuleBuilder({ minPages: 1 });
  module.declareFunction();
  expect(() => module.importFunction("env", "late", { params: [], results: [] })).toThrow(/imports come before/);
  expect(() => module.build()).toThrow(/has no body/);
});

test("no two operations of one prefix share a number", () => {
  for (const table of [PLAIN, SATURATING, VECTOR]) {
    const codes = Object.values(table);
    expect(new Set(codes).size).toBe(codes.length);
  }
});

/** Every vector operation that takes only vectors must be accepted by the engine: a wrong number shows here. */
test("the engine accepts every vector operation by its name's operands", () => {
  const unary = /\.(abs|neg|popcnt|sqrt|ceil|floor|trunc|nearest|not|extend_|extadd|convert|promote|demote|trunc_sat)/;
  for (const op of Object.keys(VECTOR) as (keyof typeof VECTOR)[]) {
    if (/splat|bitselect/.test(op)) continue;
    const toI32 = /all_true|any_true|bitmask/.test(op);
    const shift = /\.(shl|shr_[su])$/.test(op);
    const module = new ModuleBuilder({ minPages: 1 });
    const code = new CodeWriter();
    code.v128Const(new Array(16).fill(1));
    if (shift) code.i32Const(1);
    else if (!toI32 && !unary.test(op)) code.v128Const(new Array(16).fill(3));
    code.op(op);
    code.drop();
    module.defineFunction(module.declareFunction(), { params: [], results: [] }, [], code, "f");
    expect(() => new WebAssembly.Module(module.build()), op).not.toThrow();
  }
});

test("unlikely branches are hinted by their place behind the size of the body", () => {
  const module = new ModuleBuilder({ minPages: 1 });
  module.importFunction("env", "f", { params: [], results: [] });
  const code = new CodeWriter();
  code.localGet(0);
  code.ifUnlikely();
  code.i32Const(7);
  code.localSet(2);
  code.end();
  code.localGet(0);
  code.if();
  code.end();
  code.localGet(2);
  module.defineFunction(module.declareFunction(), BINARY_I32, ["i32", "i64"], code, "run");
  const bytes = module.build();
  const [section] = WebAssembly.Module.customSections(new WebAssembly.Module(bytes), "metadata.code.branch_hint");
  // One function, number 1; one hint, of one byte: unlikely.
  const [functions, index, hints, offset, size, value] = new Uint8Array(section as ArrayBuffer);
  expect([functions, index, hints, size, value]).toEqual([1, 1, 1, 1, 0]);
  // The section of code: its number, size, count, size of the body; there is nothing behind it.
  const body = code.length + 5 + 1;
  const start = bytes.length - body;
  expect([bytes[start - 1], bytes[start + (offset as number) - 2], bytes[start + (offset as number)]]).toEqual([
    body,
    0x20,
    0x04,
  ]);
  expect((instantiate(module, { f: () => {} })["run"] as (a: number, b: number) => number)(1, 0)).toBe(7);
});

import { CodeWriter, ModuleBuilder } from "@tsvm/wasm-emit";
import { expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.ts";
import type { Node, Val, Variable } from "../ir/types.ts";
import { LocalPool, lowerNodes } from "./wasm.ts";

const ARGUMENT: Variable = { type: "i32", variable: -1 };

/** Compiles what `build` builds into a function of one i32 that reads and writes memory, and runs it. */
function run(build: (b: IrBuilder) => void, memory: Uint8Array, argument = 0): number {
  const b = new IrBuilder();
  b.beginInsn("test");
  build(b);
  const module = new ModuleBuilder({ minPages: 1 });
  const bump = module.importFunction("env", "bump", { params: [], results: [] });
  const code = new CodeWriter();
  const locals = new LocalPool(1);
  lowerNodes(b.take(), code, locals, {
    functionIndex: () => bump,
    writeExit: (_exit, writer) => {
      writer.i32Const(7);
      writer.return();
    },
  });
  code.i32Const(0);
  const type = { params: ["i32"], results: ["i32"] } as const;
  module.defineFunction(module.declareFunction(), type, locals.types, code, "f");
  const wasmMemory = new WebAssembly.Memory({ initial: 1 });
  const bytes = new Uint8Array(wasmMemory.buffer);
  bytes.set(memory);
  const env = { memory: wasmMemory, bump: () => bytes[0]!++ };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env } as WebAssembly.Imports);
  const result = (exports["f"] as (x: number) => number)(argument);
  memory.set(bytes.subarray(0, memory.length));
  return result;
}

test("a load is not moved past a store to the same place", () => {
  const memory = Uint8Array.of(5, 0, 0, 0);
  run((b) => {
    const before = b.load("i64.load8_u", undefined, 0);
    b.store("i64.store8", undefined, 0, b.const(9));
    b.store("i64.store8", undefined, 1, before);
  }, memory);
  expect([...memory.subarray(0, 2)]).toEqual([9, 5]);
});

test("a load is not moved past a call", () => {
  const memory = Uint8Array.of(5, 0, 0, 0);
  run((b) => {
    const before = b.load("i64.load8_u", undefined, 0);
    b.call("bump", []);
    b.store("i64.store8", undefined, 1, before);
  }, memory);
  expect([...memory.subarray(0, 2)]).toEqual([6, 5]);
});

test("a variable read before it is set keeps its old value", () => {
  const memory = new Uint8Array(8);
  run((b) => {
    const v = b.variable(b.const(1));
    const old = b.get(v);
    b.set(v, b.const(2));
    b.store("i64.store8", undefined, 0, old);
    b.store("i64.store8", undefined, 1, b.get(v));
  }, memory);
  expect([...memory.subarray(0, 2)]).toEqual([1, 2]);
});

test("a value defined before a branch and used after it is computed on both paths", () => {
  for (const argument of [0, 1]) {
    const memory = Uint8Array.of(21, 0, 0, 0);
    run(
      (b) => {
        const twice = b.add(b.load("i64.load8_u", undefined, 0), b.load("i64.load8_u", undefined, 0));
        b.when(b.get(ARGUMENT), () => {
          const i = b.variable(b.const(0));
          b.loop(({ break: leave, continue: again }) => {
            b.when(b.eq(b.get(i), b.const(3)), leave);
            b.set(i, b.add(b.get(i), b.const(1)));
            again();
          });
          b.store("i64.store8", undefined, 2, b.get(i));
        });
        b.store("i64.store8", undefined, 1, twice);
      },
      memory,
      argument,
    );
    expect([...memory.subarray(1, 3)]).toEqual([42, argument === 1 ? 3 : 0]);
  }
});

test("an exit leaves at once", () => {
  const memory = new Uint8Array(8);
  const result = run(
    (b) => {
      b.when(b.get(ARGUMENT), () => b.exit("out"));
      b.store("i64.store8", undefined, 0, b.const(1));
    },
    memory,
    1,
  );
  expect([result, memory[0]]).toEqual([7, 0]);
});

test("locals are reused by the next fragment of a function", () => {
  const pool = new LocalPool(3);
  expect([pool.take("i64"), pool.take("i32"), pool.take("i64")]).toEqual([3, 4, 5]);
  pool.reset();
  expect([pool.take("i64"), pool.take("i32")]).toEqual([3, 4]);
  expect(pool.types).toEqual(["i64", "i32", "i64"]);
});

/** Left and right, added. */
const rotated = (b: IrBuilder, value: Val): Val =>
  b.add(b.op("i64.rotl", value, b.const(7)), b.op("i64.rotl", value, b.const(9)));
const rotatedBigint = (x: bigint): bigint =>
  BigInt.asUintN(64, BigInt.asUintN(64, (x << 7n) | (x >> 57n)) + BigInt.asUintN(64, (x << 9n) | (x >> 55n)));

test("what only rare ways out need is computed there, each shared part once", () => {
  const b = new IrBuilder();
  b.beginInsn("test");
  const large = rotated(b, rotated(b, rotated(b, b.bool(b.get(ARGUMENT)))));
  b.when(b.op("i32.ge_s", b.get(ARGUMENT), b.const32(0)), () => b.exit("rare", b.wrap(large)));
  const { code, f } = compileExits(b.take());
  const expected = (x: number): bigint => rotatedBigint(rotatedBigint(rotatedBigint(BigInt(x))));
  for (const x of [0, 1, 12345, 0x7fff_ffff]) expect(f(x)).toBe(Number(BigInt.asIntN(32, expected(x))));
  expect(f(-5)).toBe(-1);
  const rotations = code.flatMap((byte, at) => (byte === OPCODE.rotl ? [at] : []));
  expect(rotations).toHaveLength(6);
  expect(Math.min(...rotations)).toBeGreaterThan(code.indexOf(OPCODE.if));
});

test("what rare branches need is computed there, whatever an exit has kept of it", () => {
  const b = new IrBuilder();
  b.beginInsn("test");
  const large = rotated(b, rotated(b, rotated(b, b.bool(b.get(ARGUMENT)))));
  const result = b.variable(b.const32(0));
  const isAtLeast = (least: number): Val => b.op("i32.ge_s", b.get(ARGUMENT), b.const32(least));
  b.when(b.isFalse(isAtLeast(0)), () => b.exit("rare", b.wrap(large)));
  b.whenRarely(isAtLeast(100), () => b.set(result, b.wrap(large)));
  b.when(isAtLeast(50), () => b.exit("rare", b.get(result)));
  const { code, f } = compileExits(b.take());
  const expected = (x: number): bigint => rotatedBigint(rotatedBigint(rotatedBigint(BigInt(x))));
  for (const x of [100, 12345, 0x7fff_ffff]) expect(f(x)).toBe(Number(BigInt.asIntN(32, expected(x))));
  expect([f(50), f(49)]).toEqual([0, -1]);
  const rotations = code.flatMap((byte, at) => (byte === OPCODE.rotl ? [at] : []));
  expect(Math.min(...rotations)).toBeGreaterThan(code.indexOf(OPCODE.if));
});

/** Of WebAssembly. */
const OPCODE = { if: 0x04, rotl: 0x89 } as const;

/** A function of an i32 that returns what its exits, all of them rare, give; -1 if none is taken. */
function compileExits(nodes: readonly Node[]): { code: readonly number[]; f: (x: number) => number } {
  const code = new CodeWriter();
  const locals = new LocalPool(1);
  lowerNodes(nodes, code, locals, {
    functionIndex: () => 0,
    coldExits: new Set(["rare"]),
    writeExit: (_exit, writer) => writer.return(),
  });
  const body = [...code.toBytes()];
  code.i32Const(-1);
  const module = new ModuleBuilder({ minPages: 1 });
  const type = { params: ["i32"], results: ["i32"] } as const;
  module.defineFunction(module.declareFunction(), type, locals.types, code, "f");
  const imports = { env: { memory: new WebAssembly.Memory({ initial: 1 }) } };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.build()), imports);
  return { code: body, f: exports["f"] as (x: number) => number };
}

// Random regions, entered everywhere and left in the middle, against a walk through the same blocks in TypeScript.
import { CodeWriter, ModuleBuilder } from "@tsvm/wasm-emit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.ts";
import { SlotTable } from "../ir/slots.ts";
import type { Node } from "../ir/types.ts";
import { structureEntries } from "./entries.ts";
import { lowerRegion } from "./lower-region.ts";

const X = 64;
const LAZY = 72;
const FUEL = 80;
const SLOTS = new SlotTable([
  { address: X, type: "i64", policy: "cached" },
  { address: LAZY, type: "i64", policy: "cached", lazy: true },
  { address: FUEL, type: "i32", policy: "cached", lazy: true },
]);
const FUEL_SLOT = SLOTS.find(FUEL);

/** A block adds to x, spends fuel, and branches by the low bits of x; a call leaves, and returns to `returnsTo`. */
interface Block {
  readonly add: number;
  readonly targets: readonly number[];
  readonly sideIfMultipleOf: number;
  readonly returnsTo: number | undefined;
}

const programs = fc.integer({ min: 1, max: 9 }).chain((size) => {
  const target = fc.integer({ min: 0, max: size - 1 });
  return fc.array(
    fc.record({
      add: fc.integer({ min: 1, max: 50 }),
      targets: fc.array(target, { maxLength: 2 }),
      sideIfMultipleOf: fc.integer({ min: 3, max: 40 }),
      returnsTo: fc.option(target, { nil: undefined }),
    }),
    { minLength: size, maxLength: size },
  );
});

/** How a run ends: what the function returns and the slots. */
interface Outcome {
  readonly result: number;
  readonly x: bigint;
  readonly lazy: bigint;
  readonly fuel: number;
}

const LEFT_BY_FUEL = 1000;
const LEFT = 2000;
const SIDE_AT = 3000;
/** Exits with tails: one that does nothing, and one that adds up its operands. */
const [SIDE, FAR] = ["side", "far"] as const;

function walk(
  blocks: readonly Block[],
  start: number,
  headers: ReadonlySet<number>,
  refused: ReadonlySet<string>,
  state: Outcome,
): Outcome {
  let { x, lazy, fuel } = state;
  for (let at = start; ; ) {
    const block = blocks[at] as Block;
    if (headers.has(at) && fuel <= 0) return { result: LEFT_BY_FUEL + at, x, lazy, fuel };
    if (x % BigInt(block.sideIfMultipleOf) === 0n) return { result: SIDE_AT + at, x, lazy, fuel };
    x += BigInt(block.add);
    lazy = x * 3n;
    fuel -= 1;
    const next = block.targets.length === 0 ? undefined : block.targets[Number(x & 1n) % block.targets.length];
    if (next === undefined || refused.has(`${at},${next}`)) return { result: LEFT + at, x, lazy, fuel };
    at = next;
  }
}

function emit(b: IrBuilder, at: number, block: Block, refused: ReadonlySet<string>): readonly Node[] {
  b.beginBlock();
  b.beginInsn("block");
  const x = b.load("i64.load", undefined, X);
  const rest = b.op("i64.rem_u", x, b.const(block.sideIfMultipleOf));
  b.when(b.eqz(rest), () => b.exit(SIDE, b.const32(SIDE_AT + at), b.const32(0)));
  const next = b.add(x, b.const(block.add));
  b.store("i64.store", undefined, X, next);
  b.store("i64.store", undefined, LAZY, b.mul(next, b.const(3)));
  b.store("i32.store", undefined, FUEL, b.op("i32.sub", b.load("i32.load", undefined, FUEL), b.const32(1)));
  const go = (target: number | undefined): void => {
    if (target === undefined || refused.has(`${at},${target}`)) b.exit("leave", b.const32(LEFT + at));
    else b.goTo(target);
  };
  const [first, second] = block.targets;
  if (second !== undefined) b.when(b.wrap(b.and(next, b.const(1))), () => go(second));
  go(first);
  return b.take();
}

function compile(blocks: readonly Block[]) {
  const flow = structureEntries({
    successors: blocks.map(({ targets }) => targets),
    returns: blocks.map(({ returnsTo }) => (returnsTo === undefined ? [] : [returnsTo])),
  });
  const b = new IrBuilder(SLOTS);
  const nodes = blocks.map((block, at) => emit(b, at, block, flow.refused));
  const withFuel = nodes.map((list, at) => {
    if (!flow.headers.has(at)) return list;
    b.beginBlock();
    const spent = b.op("i32.le_s", b.load("i32.load", undefined, FUEL), b.const32(0));
    b.when(spent, () => b.exit(FAR, b.const32(LEFT_BY_FUEL), b.const32(at)));
    return [...b.take(), ...list];
  });
  const code = new CodeWriter();
  const side = { slots: [FUEL_SLOT], write(): void {} };
  const far = {
    slots: [],
    write(writer: CodeWriter, result: number, detail: number): void {
      writer.localGet(result);
      writer.localGet(detail);
      writer.op("i32.add");
      writer.localSet(result);
    },
  };
  const locals = lowerRegion(
    {
      flow,
      blocks: withFuel,
      slots: SLOTS,
      tails: new Map(Object.entries({ [SIDE]: side, [FAR]: far })),
      coldExits: new Set([SIDE]),
      rareExits: new Set([SIDE]),
      functionIndex: () => 0,
    },
    code,
  );
  const module = new ModuleBuilder({ minPages: 1 });
  module.defineFunction(module.declareFunction(), { params: ["i32"], results: ["i32"] }, locals, code, "region");
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env: { memory } });
  return { flow, view: new DataView(memory.buffer), region: exports["region"] as (entry: number) => number };
}

describe("a region", () => {
  test("does what its blocks do, from every entry, to every way out", () => {
    fc.assert(
      fc.property(programs, fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 60 }), (blocks, x, fuel) => {
        const { flow, view, region } = compile(blocks);
        const reached = flow.entries.filter((block) => (flow.flow.position[block] as number) >= 0);
        for (const [i, block] of flow.entries.entries()) {
          if (!reached.includes(block)) continue;
          const state = { result: 0, x: BigInt(x), lazy: 7n, fuel };
          view.setBigInt64(X, state.x, true);
          view.setBigInt64(LAZY, state.lazy, true);
          view.setInt32(FUEL, fuel, true);
          const result = region(i + 1);
          const outcome = {
            result,
            x: view.getBigInt64(X, true),
            lazy: view.getBigInt64(LAZY, true),
            fuel: view.getInt32(FUEL, true),
          };
          expect(outcome).toEqual(walk(blocks, block, flow.headers, flow.refused, state));
        }
      }),
      { numRuns: 150 },
    );
  });

  test("can be entered at the head of an inner loop and behind a call in it", () => {
    // 0 -> 1 (outer) -> 2 (inner) -> 2 | 3, 3 calls and returns to 4, 4 -> 1
    const block = (targets: readonly number[], returnsTo?: number): Block => ({
      add: 1,
      targets,
      sideIfMultipleOf: 1 << 20,
      returnsTo,
    });
    const { flow } = compile([block([1]), block([2]), block([2, 3]), block([], 4), block([1])]);
    expect([...flow.entries].sort()).toEqual([0, 1, 2, 4]);
    expect(flow.switches.size).toBe(2);
  });

  test("refuses an edge into the middle of a loop, and nothing else", () => {
    const flow = structureEntries({ successors: [[1, 2], [2], [1]], returns: [[], [], []] });
    expect(flow.refused.size).toBe(1);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { analyse, dominates, naturalLoops } from "./control-flow.ts";

const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.array(fc.array(fc.integer({ min: 0, max: size - 1 }), { maxLength: 3 }), { minLength: size, maxLength: size }),
  );

function reachable(successors: readonly (readonly number[])[], without: number): Set<number> {
  const seen = new Set<number>();
  const work = without === 0 ? [] : [0];
  for (let node = work.pop(); node !== undefined; node = work.pop()) {
    if (node === without || seen.has(node)) continue;
    seen.add(node);
    work.push(...(successors[node] as readonly number[]));
  }
  return seen;
}

describe("dominators", () => {
  test("are the nodes without which another cannot be reached", () => {
    fc.assert(
      fc.property(graphs, (successors) => {
        const flow = analyse(successors);
        const all = reachable(successors, -1);
        expect(new Set(flow.order)).toEqual(all);
        for (const by of all) {
          const rest = reachable(successors, by);
          for (const node of all) expect(dominates(flow, by, node)).toBe(node === by || !rest.has(node));
        }
      }),
    );
  });
});

describe("natural loops", () => {
  test("inner ones come first", () => {
    // 0 -> 1 -> 2 -> 2, 2 -> 1, 1 -> 3
    const successors = [[1], [2, 3], [2, 1], []];
    const { order, retreating } = analyse(successors);
    const loops = naturalLoops(successors, order, retreating);
    expect(loops.map(({ header, body }) => [header, [...body].sort()])).toEqual([
      [2, [2]],
      [1, [1, 2]],
    ]);
  });
});

import { expect, test } from "vitest";
import { findTurns, type TurnBlock } from "./turns.ts";

/** A block of `size` instructions at `start`, that goes on straight at those given, and elsewhere otherwise. */
const block = (
  start: number,
  size: number,
  straight: readonly number[],
  others: readonly number[] = [],
): TurnBlock => ({
  start,
  size,
  straight,
  successors: [...straight, ...others],
});

test("a loop of one block", () => {
  const blocks = [block(0, 3, [1]), block(10, 4, [1, 2]), block(20, 2, [])];
  expect(findTurns(blocks)).toEqual(new Map([[1, [1]]]));
});

test("a loop that is entered in its middle begins there", () => {
  const blocks = [block(0, 3, [2]), block(10, 4, [2]), block(20, 2, [1])];
  expect(findTurns(blocks)).toEqual(new Map([[2, [2, 1]]]));
});

test("a region that starts in a loop has its turns begin there", () => {
  expect(findTurns([block(20, 2, [1]), block(10, 4, [0])])).toEqual(new Map([[0, [0, 1]]]));
});

test("of two ways around the shorter one counts", () => {
  const blocks = [block(0, 1, [1]), block(10, 2, [2, 3]), block(20, 9, [1]), block(30, 2, [1])];
  expect(findTurns(blocks)).toEqual(new Map([[1, [1, 3]]]));
});

test("a loop around another one has no turns of its own", () => {
  const blocks = [block(0, 1, [1]), block(10, 2, [1, 2]), block(20, 2, [0])];
  expect(findTurns(blocks)).toEqual(new Map([[1, [1]]]));
});

test.each([
  ["long", [block(0, 1, [1]), block(10, 9, [2]), block(40, 8, [1])]],
  ["spread over two pages", [block(0, 1, [1]), block(4090, 2, [2]), block(4100, 2, [1])]],
  ["closed by an indirect jump", [block(0, 1, [1]), block(10, 2, [], [1])]],
])("a loop that is %s is none", (_, blocks) => {
  expect(findTurns(blocks)).toEqual(new Map());
});

import { describe, expect, test } from "vitest";
import { TRACE_EXIT, TRACE_FORK, TRACE_SWITCH, TRACE_UNMAP, TRACE_WRITE, TraceBatch } from "../trace/batch.ts";
import { PointerChase, Zipf } from "./access-pattern.ts";
import { Random } from "./random.ts";
import { createWorkload, WORKLOADS, type WorkloadOptions } from "./workload.ts";

function filled(options: WorkloadOptions, capacity = 4096): TraceBatch {
  const batch = new TraceBatch(capacity);
  createWorkload(options).fill(batch);
  return batch;
}

const shareOf = ({ ops, length }: TraceBatch, op: number): number =>
  ops.subarray(0, length).filter((each) => each === op).length / length;

test.each(WORKLOADS)("%s fills batches, the same for the same seed", (name) => {
  const one = filled({ name, seed: 5 });
  expect(one.isFull).toBe(true);
  expect(filled({ name, seed: 5 })).toEqual(one);
});

test.each(["random", "zipf", "sequential", "pointer-chase"] as const)(
  "%s stays in its region, with its writes",
  (name) => {
    const bytes = 2 ** 20;
    const batch = filled({ name, bytes, writes: 0.25 }, 20_000);
    expect(Math.max(...batch.low)).toBeLessThan(bytes);
    expect(Math.min(...batch.low)).toBeGreaterThanOrEqual(0);
    expect(new Set(batch.high).size).toBe(1);
    expect(shareOf(batch, TRACE_WRITE)).toBeCloseTo(0.25, 1);
  },
);

test("regions beyond 4 GiB carry into the high half", () => {
  const { high } = filled({ name: "random", bytes: 2 ** 40 });
  expect(new Set(high).size).toBeGreaterThan(200);
});

test("pointer-chase visits every page once before any twice", () => {
  for (const pages of [64, 100, 4096]) {
    const chase = new PointerChase(pages * 4096);
    const round = (): Set<number> => new Set(Array.from({ length: pages }, () => Math.floor(chase.next() / 4096)));
    expect(round().size).toBe(pages);
    expect(round().size).toBe(pages);
  }
});

test("zipf: the first rank twice as frequent as the second, and so on", () => {
  const zipf = new Zipf(4096 * 1000, new Random(1));
  const counts = new Array<number>(1000).fill(0);
  for (let i = 0; i < 200_000; i++) (counts[zipf.rank()] as number)++;
  const [first, second, , fourth] = counts as [number, number, number, number];
  expect(first / second).toBeCloseTo(2 ** 0.99, 0);
  expect(first / fourth).toBeGreaterThan(2.8);
  expect(first / fourth).toBeLessThan(5.5);
});

describe("stories", () => {
  test("fork: children are made, run, end", () => {
    const batch = filled({ name: "fork", pages: 4 });
    const story = [...batch.ops].filter((op) => op >= TRACE_SWITCH).slice(0, 8);
    const round = [TRACE_FORK, TRACE_SWITCH, TRACE_SWITCH, TRACE_EXIT];
    expect(story).toEqual([...round, ...round]);
  });

  test("mmap: as many pages are unmapped as were touched", () => {
    const batch = filled({ name: "mmap", pages: 10 }, 11);
    expect([...batch.ops]).toEqual([...new Array(10).fill(TRACE_WRITE), TRACE_UNMAP]);
    expect(batch.args[10]).toBe(10);
  });

  test("quiet accesses stand between the changes", () => {
    const busy = shareOf(filled({ name: "mmap", pages: 4 }), TRACE_UNMAP);
    const quiet = shareOf(filled({ name: "mmap", pages: 4, quiet: 95 }), TRACE_UNMAP);
    expect(busy / quiet).toBeCloseTo(20, 0);
  });
});

test.each<[Partial<WorkloadOptions>, RegExp]>([
  [{ bytes: 10 }, /bytes must be from 65536/],
  [{ writes: 2 }, /writes must be from 0 to 1, not 2/],
  [{ pages: 0 }, /pages must be/],
  [{ name: "zip" as "zipf" }, /workload must be sequential or .*, not zip$/],
])("%j is refused", (options, message) => {
  expect(() => createWorkload({ name: "zipf", ...options })).toThrowError(
    expect.objectContaining({ code: "MMU_GEOMETRY", message: expect.stringMatching(message) }),
  );
});

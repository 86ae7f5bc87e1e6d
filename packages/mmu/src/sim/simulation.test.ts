import { describe, expect, test } from "vitest";
import { TRACE_FETCH, TRACE_READ, TRACE_UNMAP, TRACE_WRITE, TraceBatch } from "../trace/batch.ts";
import { createWorkload } from "../workload/workload.ts";
import type { SimulationReport } from "./report.ts";
import { createSimulation, type SimulationOptions } from "./simulation.ts";

function batchOf(...records: readonly (readonly [op: number, low: number, arg?: number])[]): TraceBatch {
  const batch = new TraceBatch(records.length);
  for (const [op, low, arg = 0] of records) batch.push(op, low, 0, arg);
  return batch;
}

function reported(options: SimulationOptions, ...batches: readonly TraceBatch[]): SimulationReport {
  const simulation = createSimulation(options);
  for (const batch of batches) simulation.run(batch);
  return simulation.report();
}

describe("a page is given out at its first touch", () => {
  const batch = batchOf([TRACE_READ, 0x1000], [TRACE_WRITE, 0x1008], [TRACE_FETCH, 0x2000]);

  test("natively by the guest alone", () => {
    const { events, accesses, memory } = reported({ scheme: "native" }, batch);
    expect(accesses).toBe(3);
    expect(events).toMatchObject({ demandFaults: 2, violations: 0, pagingExits: 0 });
    expect(memory).toEqual({ tableFrames: 4, pages: 2, hostPages: 0 });
  });

  test("nested by the host too: two pages, and none for tables that the kernel has stored to before", () => {
    const { events, memory } = reported({ scheme: "ept" }, batch);
    expect(events).toMatchObject({ demandFaults: 2, violations: 2, pagingExits: 0 });
    expect(memory).toEqual({ tableFrames: 4, pages: 2, hostPages: 6 });
  });

  test("under shadow tables every fault of the guest's is an exit, and filling in another", () => {
    const { events } = reported({ scheme: "shadow" }, batch);
    expect(events).toMatchObject({ demandFaults: 2, violations: 2, hiddenFaults: 3 });
    expect(events.pagingExits).toBeGreaterThanOrEqual(2);
  });
});

test("what was before forget is not in the report", () => {
  const simulation = createSimulation({ scheme: "ept", tlb: { l1: [{ pages: ["4K"], entries: 8 }] } });
  simulation.run(batchOf([TRACE_WRITE, 0x1000]));
  simulation.forget();
  simulation.run(batchOf([TRACE_READ, 0x1000], [TRACE_WRITE, 0x1000]));
  expect(simulation.report()).toMatchObject({ accesses: 2, l1Hits: 2, walks: 0, cyclesPerAccess: 0 });
});

test("references of full walks are those of the table", () => {
  const batch = batchOf([TRACE_WRITE, 0x1000], [TRACE_WRITE, 0x1000]);
  for (const [options, refs, steps] of [
    [{ scheme: "npt" }, 24, 24],
    [{ scheme: "npt", guestPages: "2M" }, 19, 19],
    [{ scheme: "npt", guestPages: "1G", hostPages: "1G" }, 8, 8],
    [{ scheme: "flattened" }, 8, 8],
    [{ scheme: "flattened", guestPages: "1G", hostPages: "1G" }, 3, 3],
    // Three ways in three steps: those of a step do not wait for each other.
    [{ scheme: "hashed" }, 15, 3],
    [{ scheme: "hashed", probes: "directed" }, 3, 3],
  ] as const satisfies readonly (readonly [SimulationOptions, number, number])[]) {
    const simulation = createSimulation(options);
    simulation.run(batch);
    simulation.forget();
    simulation.run(batch);
    expect(simulation.report()).toMatchObject({ referencesPerWalk: refs, cyclesPerAccess: steps * 50 });
  }
});

test("unmapping and touching again costs shadow tables traps, nested ones none", () => {
  const churn = batchOf(
    ...Array.from({ length: 50 }, () => [[TRACE_WRITE, 0x1000] as const, [TRACE_UNMAP, 0x1000, 1] as const]).flat(),
  );
  const shadow = reported({ scheme: "shadow", sync: "write-protect" }, churn);
  const ept = reported({ scheme: "ept" }, churn);
  expect(shadow.events.tracingFaults).toBeGreaterThan(90);
  expect(ept.events).toMatchObject({ tracingFaults: 0, pagingExits: 0 });
  expect(shadow.cyclesPerAccess).toBeGreaterThan(2 * ept.cyclesPerAccess);
});

test("addresses that are not canonical are counted and passed by", () => {
  const batch = new TraceBatch();
  batch.push(TRACE_READ, 0, 0x8000, 0);
  expect(reported({ scheme: "ept" }, batch).events).toMatchObject({ nonCanonical: 1, demandFaults: 0 });
});

test("memory does not grow with the trace", () => {
  const simulation = createSimulation({ scheme: "ept" });
  const workload = createWorkload({ name: "mmap", pages: 8 });
  const sizes: number[] = [];
  for (let i = 0; i < 6; i++) {
    const batch = new TraceBatch();
    workload.fill(batch);
    simulation.run(batch);
    sizes.push(simulation.report().memory.pages);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8);
});

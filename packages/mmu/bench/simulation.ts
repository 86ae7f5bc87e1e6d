// References a second through a simulation, of the package as it is published: `pnpm --filter @tsvm/mmu bench`.
// Seconds are CPU time of the thread, so that other work on the machine does not count.
// Hits: a zipf workload in a TLB that holds it. Walks: no TLB, so that every access walks both dimensions in full.
import { cpus } from "node:os";
import {
  createSimulation,
  createTraceDecoder,
  createTraceEncoder,
  createWorkload,
  type SimulationOptions,
  TraceBatch,
  type WorkloadOptions,
} from "@tsvm/mmu";

const ROUNDS = 5;
const BATCHES = 64;
const CHUNK_BYTES = 2 ** 18;

/** The same records for every round: making them is not what is measured. */
function recorded(options: WorkloadOptions): readonly TraceBatch[] {
  const workload = createWorkload(options);
  return Array.from({ length: BATCHES }, () => {
    const batch = new TraceBatch();
    workload.fill(batch);
    return batch;
  });
}

/** The same records as bytes of a trace of ours. */
function encoded(batches: readonly TraceBatch[]): Uint8Array {
  const encoder = createTraceEncoder("tsvm");
  return new Uint8Array(Buffer.concat([...batches.map((batch) => encoder.encode(batch)), encoder.end()]));
}

/** @param isTrace records are decoded from bytes first, in the pieces that files come in. */
function measure(
  name: string,
  options: SimulationOptions,
  workload: WorkloadOptions,
  passes: number,
  isTrace = false,
): void {
  const batches = recorded(workload);
  const trace = encoded(batches);
  const simulation = createSimulation(options);
  const runAll = (): void => {
    if (!isTrace) {
      for (const batch of batches) simulation.run(batch);
      return;
    }
    const decoder = createTraceDecoder("tsvm", (batch) => simulation.run(batch));
    for (let at = 0; at < trace.length; at += CHUNK_BYTES) decoder.write(trace.subarray(at, at + CHUNK_BYTES));
    decoder.end();
  };
  for (let warm = 0; warm < 3; warm++) runAll();
  simulation.forget();
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.threadCpuUsage();
    for (let pass = 0; pass < passes; pass++) runAll();
    const { user, system } = process.threadCpuUsage(start);
    rates.push((passes * BATCHES * 4096) / (user + system));
  }
  rates.sort((a, b) => a - b);
  const { l1Hits, accesses, referencesPerWalk } = simulation.report();
  const share = ((100 * l1Hits) / accesses).toFixed(1);
  const [low, median, high] = [0, ROUNDS >> 1, ROUNDS - 1].map((at) => (rates[at] as number).toFixed(1));
  const seen = `${share} % L1 hits, ${referencesPerWalk.toFixed(1)} references a walk`;
  console.log(`${name.padEnd(28)} ${median?.padStart(6)} M/s  (${low} to ${high})  ${seen}`);
}

const TLB = {
  l1: [
    { pages: ["4K"], entries: 64, ways: 4 },
    { pages: ["2M"], entries: 32, ways: 4 },
  ],
  l2: [{ pages: ["4K", "2M"], entries: 1536, ways: 12 }],
} as const;
const SMALL = { name: "zipf", bytes: 2 ** 17, seed: 3 } as const;
const WIDE = { name: "random", bytes: 2 ** 24, seed: 3 } as const;
const CACHES = {
  l1: { bytes: 32 << 10, ways: 8, cycles: 4 },
  l2: { bytes: 256 << 10, ways: 4, cycles: 12 },
  llc: { bytes: 8 << 20, ways: 16, cycles: 42 },
  memoryCycles: 200,
} as const;
const WALK_CACHE = {
  level2: { entries: 32, ways: 4 },
  level3: { entries: 4 },
  level4: { entries: 2 },
} as const;

console.log(`${cpus()[0]?.model}, Node ${process.version}, ${ROUNDS} rounds`);
measure("EPT, TLB hits", { scheme: "ept", tlb: TLB }, SMALL, 20);
measure("EPT, TLB hits, from a trace", { scheme: "ept", tlb: TLB }, SMALL, 20, true);
measure("native, TLB hits", { scheme: "native", tlb: TLB }, SMALL, 20);
measure("native, full walks", { scheme: "native" }, WIDE, 4);
measure("EPT, full 2D walks", { scheme: "ept" }, WIDE, 2);
measure("NPT, full 2D walks", { scheme: "npt" }, WIDE, 2);
measure(
  "EPT, all structures, misses",
  {
    scheme: "ept",
    tlb: TLB,
    walk: {
      walkCache: WALK_CACHE,
      hostWalkCache: WALK_CACHE,
      nestedTlb: { pages: ["4K", "2M"], entries: 64, ways: 4 },
      caches: CACHES,
    },
  },
  WIDE,
  2,
);

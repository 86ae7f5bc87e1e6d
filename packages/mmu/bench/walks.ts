// Walks per second in every mode, and TLB hits of `createMmu`, over page tables as a kernel lays them out: `pnpm --filter @tsvm/mmu bench`.
// Each pass touches PAGES pages, one per cache line of entries at most. `--trace-gc` shows that walks allocate nothing.
import { cpus } from "node:os";
import {
  ACCESS_READ,
  ACCESS_USER,
  createMmu,
  createWalker,
  type Mmu,
  type PagingMode,
  type PteMemory,
  type Walker,
} from "@tsvm/mmu";

const RAM_BYTES = 16 << 20;
const PAGES = 4096;
const WALKS = 4_000_000;
const ROUNDS = 7;
const ENTRY = 0x67; // P, R/W, U/S, A, D: tables in steady use, no flag left to set

class Ram implements PteMemory {
  readonly words: Int32Array = new Int32Array(RAM_BYTES >> 2);
  load32(gpa: number): number {
    return gpa < RAM_BYTES ? (this.words[gpa >>> 2] as number) : -1;
  }
  or32(gpa: number, bits: number): void {
    if (gpa < RAM_BYTES) (this.words[gpa >>> 2] as number) |= bits;
  }
}

/** Table i at frame 1 + i; entry 0 of each upper table leads to the next, the last levels map PAGES pages. */
function build(mode: PagingMode, ram: Ram): void {
  const words = ram.words;
  if (mode === "legacy32") {
    for (let i = 0; i < 4; i++) words[1024 + i] = ((2 + i) << 12) | ENTRY;
    for (let i = 0; i < PAGES; i++) words[2048 + i] = ((i + 64) << 12) | ENTRY;
    return;
  }
  const upper = { bare: 0, pae: 1, long4: 2, long5: 3 }[mode];
  const put = (table: number, index: number, entry: number): void => {
    words[table * 1024 + index * 2] = entry;
  };
  for (let i = 0; i < upper; i++) put(1 + i, 0, ((2 + i) << 12) | (mode === "pae" ? 1 : ENTRY));
  for (let i = 0; i < 8; i++) put(1 + upper, i, ((2 + upper + i) << 12) | ENTRY);
  for (let i = 0; i < PAGES; i++) {
    put(2 + upper + (i >> 9), i & 511, ((i + 64) << 12) | ENTRY);
  }
}

/** Combines the frames in integers: a sum that outgrows them would measure the boxing of doubles. */
function run(walker: Walker): number {
  let frames = 0;
  for (let i = 0, page = 0; i < WALKS; i++, page = (page + 1571) & (PAGES - 1)) {
    if (!walker.walk(page << 12, 0, ACCESS_READ | ACCESS_USER)) throw new Error("walk failed");
    frames ^= walker.gfn;
  }
  return frames;
}

/** Hits of a TLB that holds all the pages asked for. */
function runHits(mmu: Mmu): number {
  let frames = 0;
  for (let i = 0; i < WALKS; i++) {
    const result = mmu.translate(i & 31, { kind: "read", user: true });
    if (!result.ok) throw new Error("translation failed");
    frames ^= result.gfn;
  }
  return frames;
}

function report(name: string, run: () => void): void {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    rates.push(WALKS / (performance.now() - start) / 1000);
  }
  const [low, median, high] = [0, ROUNDS >> 1, ROUNDS - 1].map((at) => rates.sort((a, b) => a - b)[at]?.toFixed(1));
  console.log(`${name.padEnd(16)} ${median?.padStart(6)} M/s  (${low} to ${high})`);
}

console.log(`${cpus()[0]?.model}, Node ${process.version}, ${ROUNDS} rounds of ${WALKS}`);
for (const mode of ["bare", "legacy32", "pae", "long4", "long5"] as const) {
  const ram = new Ram();
  build(mode, ram);
  const registers = { cr3: 0x1000, wp: true, nxe: true };
  const walker = createWalker(mode, ram, registers);
  walker.loadPdptes();
  report(`${mode} walk`, () => run(walker));
  if (mode === "long4") {
    const mmu = createMmu({ mode, memory: ram, registers });
    report(`${mode} TLB hit`, () => runHits(mmu));
  }
}

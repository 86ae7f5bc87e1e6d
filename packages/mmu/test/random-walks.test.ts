import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createWalker,
  type PagingMode,
  type PagingRegisters,
  type Walker,
} from "../src/index.ts";
import { type ReferenceAccess, type ReferenceResult, referenceWalk } from "./reference-walker.ts";
import { SparseMemory } from "./sparse-memory.ts";

// One in BROKEN entries is not present, one in BROKEN has a bit set that may be reserved: paths of five entries reach
// the page about as often as they do not.
const BROKEN = 16;
const RUNS = 2500;
const ADDRESSES_PER_RUN = 12;
const MODES = ["bare", "legacy32", "pae", "long4", "long5"] as const;
const KINDS = ["read", "write", "fetch"] as const;
const KIND_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, fetch: ACCESS_FETCH };

const registersArbitrary = fc.record({
  wp: fc.boolean(),
  pse: fc.boolean(),
  pge: fc.boolean(),
  smep: fc.boolean(),
  smap: fc.boolean(),
  nxe: fc.boolean(),
  pse36: fc.boolean(),
  pages1G: fc.boolean(),
  maxPhyAddr: fc.integer({ min: 32, max: 52 }),
});

/** A small generator, so that one seed makes a whole address space: mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Frames that tables are taken from: few, so that tables refer to themselves and to each other. */
function frameFor(mode: PagingMode, maxPhyAddr: number, random: (below: number) => number): bigint {
  const low = BigInt(1 + random(3));
  const highest = mode === "legacy32" ? 32 : maxPhyAddr;
  return random(2) === 0 ? low : low | (1n << BigInt(highest - 13));
}

function randomEntry(mode: PagingMode, maxPhyAddr: number, random: (below: number) => number): bigint {
  let entry = frameFor(mode, maxPhyAddr, random) << 12n;
  entry |= BigInt(random(0x80)) | (BigInt(random(0x10)) << 8n);
  entry = random(BROKEN) === 0 ? entry & ~1n : entry | 1n;
  if (random(2) === 0) entry |= 0b110n;
  if (random(6) === 0) entry = (entry & ~0x3fff_e000n) | 0x80n;
  if (random(BROKEN) === 0) entry |= 1n << BigInt(7 + random(57));
  return entry;
}

/** Random tables everywhere; an entry depends on seed and place only, so that two of them with one seed are equal. */
class RandomMemory extends SparseMemory {
  readonly #made = new Map<number, bigint>();
  readonly #makeAt: (gpa: number) => bigint;
  readonly #entryBytes: number;

  constructor(mode: PagingMode, seed: number, maxPhyAddr: number) {
    super();
    this.#entryBytes = mode === "legacy32" ? 4 : 8;
    this.#makeAt = (gpa) => randomEntry(mode, maxPhyAddr, randomOf(seed ^ Math.imul(gpa % 2 ** 31, 0x9e3779b1)));
  }

  override load32(gpa: number): number {
    const written = this.words.get(gpa);
    if (written !== undefined) return written;
    const start = gpa - (gpa % this.#entryBytes);
    let entry = this.#made.get(start);
    if (entry === undefined) {
      entry = this.#makeAt(start);
      this.#made.set(start, entry);
    }
    return Number(BigInt.asUintN(32, gpa === start ? entry : entry >> 32n));
  }
}

function resultOf(walker: Walker, gva: bigint, access: ReferenceAccess): ReferenceResult {
  const bits = KIND_BITS[access.kind] | (access.user ? ACCESS_USER : 0) | (access.ac ? ACCESS_AC : 0);
  const low = Number(BigInt.asIntN(32, gva));
  const high = Number(BigInt.asIntN(32, gva >> 32n));
  if (!walker.walk(low, high, bits)) return { errorCode: walker.errorCode };
  return {
    gpa: BigInt(walker.gfn) << 12n,
    shift: walker.pageShift,
    readable: walker.readable,
    writable: walker.writable,
    executable: walker.executable,
    user: walker.user,
    global: walker.global,
    dirty: walker.dirty,
  };
}

type Controls = Omit<PagingRegisters, "cr3" | "pcide">;

/** Runs both walkers over equal random tables, which fill with A and D flags; returns how many walks found a page. */
function compare(mode: PagingMode, seed: number, controls: Controls): number {
  const random = randomOf(seed);
  const { maxPhyAddr } = controls;
  const root = frameFor(mode, mode === "pae" ? 32 : maxPhyAddr, random);
  const registers: PagingRegisters = { ...controls, pcide: false, cr3: Number(root) * 4096 };
  const memory = new RandomMemory(mode, seed, maxPhyAddr);
  const referenceMemory = new RandomMemory(mode, seed, maxPhyAddr);
  for (let i = 0; mode === "pae" && i < 4; i++) {
    const pdpte = (frameFor(mode, maxPhyAddr, random) << 12n) | (random(8) === 0 ? 0n : 1n);
    memory.set64(registers.cr3 + i * 8, pdpte);
    referenceMemory.set64(registers.cr3 + i * 8, pdpte);
  }
  const walker = createWalker(mode, memory, registers);
  expect(walker.loadPdptes()).toBe(true);
  const pdptes = [0, 8, 16, 24].map((offset) => referenceMemory.get64(registers.cr3 + offset));

  let pages = 0;
  for (let i = 0; i < ADDRESSES_PER_RUN; i++) {
    // Half of the addresses are few, so that walks meet entries with A and D set by earlier ones.
    const few = BigInt(random(64)) * 0x8040_2010_0804_0201n;
    const any = (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32));
    const gva = BigInt.asUintN(64, random(2) === 0 ? few : any);
    const access: ReferenceAccess = {
      kind: KINDS[random(3)] as ReferenceAccess["kind"],
      user: random(2) === 0,
      ac: random(2) === 0,
    };
    const expected = referenceWalk(mode, referenceMemory, registers, pdptes, gva, access);
    expect(resultOf(walker, gva, access)).toEqual(expected);
    if (expected.errorCode === undefined) pages++;
  }
  for (const [gpa, word] of referenceMemory.words) expect(memory.load32(gpa) >>> 0).toBe(word);
  for (const [gpa, word] of memory.words) expect(referenceMemory.load32(gpa)).toBe(word);
  return pages;
}

describe.each(MODES)("%s agrees with the reference walker", (mode) => {
  test(`on ${RUNS * ADDRESSES_PER_RUN} random walks`, () => {
    let pages = 0;
    fc.assert(
      fc.property(fc.integer(), registersArbitrary, (seed, controls) => {
        pages += compare(mode, seed, controls);
      }),
      { numRuns: RUNS },
    );
    // The generator is worth something only while both outcomes are common.
    const share = pages / (RUNS * ADDRESSES_PER_RUN);
    expect(share).toBeGreaterThan(0.1);
    if (mode !== "bare") expect(share).toBeLessThan(0.9);
  });
});

import {
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createWalker,
  EptWalker,
  type PagingMode,
  type PteMemory,
} from "../src/index.ts";
import { randomOf } from "../test/random-machine.ts";
import { garbageEntries, type Random } from "./garbage.ts";

const FRAMES = 6;
const MODES: readonly PagingMode[] = ["bare", "legacy32", "pae", "long4", "long5"];
/** Loads of two halves for each level, of five at most, and the four PDPTEs. */
const MOST_LOADS = 10;

/** RAM of a few frames, and a bus around it; counts, and remembers what was read. */
class SmallMemory implements PteMemory {
  loads = 0;
  readonly read = new Set<number>();
  readonly #words: Int32Array;
  readonly #outside: number;

  constructor(words: Int32Array, outside: number) {
    this.#words = words;
    this.#outside = outside;
  }

  load32(gpa: number): number {
    this.loads++;
    require(gpa >= 0 && gpa < 2 ** 52 && gpa % 4 === 0, `a load of ${gpa}`);
    this.read.add(gpa);
    return gpa / 4 < this.#words.length ? (this.#words[gpa / 4] as number) : this.#outside;
  }

  or32(gpa: number, bits: number): void {
    require(this.read.has(gpa), `flags set in an entry that was not read, at ${gpa}`);
    require((bits & ~0x360) === 0, `bits ${bits.toString(16)} set, that are no accessed or dirty flags`);
    if (gpa / 4 < this.#words.length) this.#words[gpa / 4] = (this.#words[gpa / 4] as number) | bits;
  }
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function memoryOf(random: Random): SmallMemory {
  const words = new Int32Array(FRAMES * 1024);
  let at = 0;
  for (const [low, high] of garbageEntries(random, FRAMES, 1 + random(100))) {
    words[at++] = low;
    words[at++] = high;
  }
  return new SmallMemory(words, random(2) === 0 ? -1 : 0);
}

/** One mode's walker, or EPT's, over garbage: it ends, within as many loads as tables have levels, in a result that can be. */
export function fuzzWalkers(seed: number): void {
  const random = randomOf(seed);
  const memory = memoryOf(random);
  if (random(3) === 0) fuzzEpt(memory, random);
  else fuzzPaging(memory, random);
}

function fuzzPaging(memory: SmallMemory, random: Random): void {
  const flag = (): boolean => random(2) === 0;
  const walker = createWalker(MODES[random(MODES.length)] as PagingMode, memory, {
    ...{ cr3: random(FRAMES + 2) * 0x1000 + random(0x1000), wp: flag(), pse: flag(), pge: flag(), smep: flag() },
    ...{ smap: flag(), nxe: flag(), pse36: flag(), pages1G: flag(), maxPhyAddr: 32 + random(21) },
  });
  walker.loadPdptes();
  for (let i = 0; i < 50; i++) {
    memory.loads = 0;
    memory.read.clear();
    const kind = [0, ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, ACCESS_READ | ACCESS_WRITE][random(5)] as number;
    const isMapped = walker.walk(random(2 ** 32) | 0, random(2 ** 32) | 0, kind | (flag() ? ACCESS_USER : 0));
    require(memory.loads <= MOST_LOADS, `${memory.loads} loads in one walk`);
    if (!isMapped) require((walker.errorCode & ~0x1f) === 0, `error code ${walker.errorCode}`);
    else require(walker.gfn >= 0 && walker.gfn < 2 ** 40 && (kind & ~walker.permits) === 0, `frame ${walker.gfn}`);
  }
}

function fuzzEpt(memory: SmallMemory, random: Random): void {
  const flag = (): boolean => random(2) === 0;
  const eptp = random(FRAMES + 2) * 0x1000 + (flag() ? 0x1e : 0x26) + (flag() ? 0x40 : 0);
  const options = { maxPhyAddr: 32 + random(21), executeOnly: flag(), pages1G: flag() };
  const walker = new EptWalker(memory, { eptp, ...options });
  for (let i = 0; i < 50; i++) {
    memory.loads = 0;
    memory.read.clear();
    const gpa = random(2 ** 20) * 2 ** 32 + random(2 ** 32);
    const result = walker.walk(gpa, [ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH][random(3)] as number);
    require(memory.loads <= MOST_LOADS, `${memory.loads} loads in one walk`);
    if (result === "mapped") require(walker.hpa >= 0 && walker.hpa < 2 ** 52, `hpa ${walker.hpa}`);
  }
}

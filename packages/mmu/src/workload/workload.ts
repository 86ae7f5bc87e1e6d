import { geometryError } from "../structures/geometry.ts";
import {
  TRACE_EXIT,
  TRACE_FORK,
  TRACE_READ,
  TRACE_SWITCH,
  TRACE_UNMAP,
  TRACE_WRITE,
  type TraceBatch,
} from "../trace/batch.ts";
import { type AccessPattern, PointerChase, Sequential, Uniform, Zipf } from "./access-pattern.ts";
import { Random } from "./random.ts";

/** What {@link createWorkload} makes accesses of. */
export interface WorkloadOptions {
  readonly name: WorkloadName;
  /** Bytes of the region accessed; default 64 MiB, 64 KiB to 2^46. */
  readonly bytes?: number;
  /** Share of writes, 0 to 1; default 0.3. */
  readonly writes?: number;
  /** Same seed, same records; default 1. */
  readonly seed?: number;
  /** `fork`: pages each side writes between forks. `mmap`: pages of a mapping. `page-cache`: of a window. Default 64. */
  readonly pages?: number;
  /** Accesses to the region between two changes of the page tables; default 0. */
  readonly quiet?: number;
}

/** An endless stream of records. */
export interface Workload {
  readonly name: WorkloadName;
  /** Fills the rest of a batch. */
  fill(batch: TraceBatch): void;
}

/**
 * `sequential`, `random`, `pointer-chase` and `zipf` access one region and change nothing. `graph` is a sweep over the
 * edges of a random graph. `fork` forks, writes on both sides and ends the child, for ever. `mmap` maps, touches and unmaps.
 * `page-cache` copies a file through windows that are mapped and unmapped.
 */
export type WorkloadName =
  | "sequential"
  | "random"
  | "pointer-chase"
  | "zipf"
  | "graph"
  | "fork"
  | "mmap"
  | "page-cache";

export const WORKLOADS: readonly WorkloadName[] = [
  "sequential",
  "random",
  "pointer-chase",
  "zipf",
  "graph",
  "fork",
  "mmap",
  "page-cache",
];

const MIB = 2 ** 20;
const LEAST_BYTES = 2 ** 16;
const MOST_BYTES = 2 ** 46;
/** Bits 63:32 of where the region begins: far from the top of the user half, for regions of up to 2^46 bytes. */
const REGION_HIGH = 0x1000;
/** Where windows and mappings come and go. */
const WINDOW_HIGH = 0x7000;
const PAGE = 0x1000;

/** @throws RangeError (code `MMU_GEOMETRY`) for options out of range. */
export function createWorkload(options: WorkloadOptions): Workload {
  const { name, bytes = 64 * MIB, writes = 0.3, seed = 1, pages = 64, quiet = 0 } = options;
  check("bytes", bytes, LEAST_BYTES, MOST_BYTES);
  check("writes", writes, 0, 1);
  check("pages", pages, 1, 2 ** 20);
  check("quiet", quiet, 0, 2 ** 31);
  const random = new Random(seed);
  const region = new Region(patternOf(name, bytes, random), random, writes);
  switch (name) {
    case "graph":
      return new Stepped(name, graphSteps(bytes, random));
    case "fork":
      return new Stepped(name, forkSteps(region, random, bytes, pages, quiet));
    case "mmap":
      return new Stepped(name, mmapSteps(region, pages, quiet));
    case "page-cache":
      return new Stepped(name, pageCacheSteps(region, random, bytes, pages, quiet));
    case "sequential":
    case "random":
    case "pointer-chase":
    case "zipf":
      return new Steady(name, region);
    default:
      throw geometryError(`workload must be ${WORKLOADS.join(" or ")}, not ${name as string}`);
  }
}

function check(what: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw geometryError(`${what} must be from ${least} to ${most}, not ${value}`);
}

function patternOf(name: WorkloadName, bytes: number, random: Random): AccessPattern {
  switch (name) {
    case "sequential":
      return new Sequential(bytes);
    case "pointer-chase":
      return new PointerChase(bytes);
    case "zipf":
      return new Zipf(bytes, random);
    default:
      return new Uniform(bytes, random);
  }
}

/** Accesses to one region. */
class Region {
  readonly #pattern: AccessPattern;
  readonly #random: Random;
  readonly #writesBelow: number;

  constructor(pattern: AccessPattern, random: Random, writes: number) {
    this.#pattern = pattern;
    this.#random = random;
    this.#writesBelow = writes * 2 ** 32;
  }

  access(batch: TraceBatch): void {
    const op = this.#random.next() < this.#writesBelow ? TRACE_WRITE : TRACE_READ;
    pushAt(batch, op, REGION_HIGH, this.#pattern.next());
  }
}

function pushAt(batch: TraceBatch, op: number, baseHigh: number, offset: number): void {
  batch.push(op, offset | 0, baseHigh + ((offset / 2 ** 32) | 0), 0);
}

class Steady implements Workload {
  readonly name: WorkloadName;
  readonly #region: Region;

  constructor(name: WorkloadName, region: Region) {
    this.name = name;
    this.#region = region;
  }

  fill(batch: TraceBatch): void {
    while (!batch.isFull) this.#region.access(batch);
  }
}

/** Puts one record into a batch that has room for one, and gives itself or the step that follows. */
type Step = (batch: TraceBatch) => void;

/** A workload with a story: a generator that asks for a batch with room before each record. */
class Stepped implements Workload {
  readonly name: WorkloadName;
  readonly #steps: Generator<Step, never>;

  constructor(name: WorkloadName, steps: Generator<Step, never>) {
    this.name = name;
    this.#steps = steps;
  }

  fill(batch: TraceBatch): void {
    while (!batch.isFull) this.#steps.next().value(batch);
  }
}

/** Reads every edge in turn and the value of the vertex it leads to, then writes that of the vertex it comes from. */
function* graphSteps(bytes: number, random: Random): Generator<Step, never> {
  const degree = 8;
  // A vertex has a value of 8 bytes and `degree` edges of 4.
  const vertices = Math.floor(bytes / (8 + 4 * degree));
  const edges = vertices * 8;
  for (let vertex = 0; ; vertex = (vertex + 1) % vertices) {
    for (let edge = 0; edge < degree; edge++) {
      const edgeAt = edges + (vertex * degree + edge) * 4;
      yield (batch) => pushAt(batch, TRACE_READ, REGION_HIGH, edgeAt);
      // Squared, so that few vertices have many edges.
      const target = Math.floor(random.fraction() ** 2 * vertices) * 8;
      yield (batch) => pushAt(batch, TRACE_READ, REGION_HIGH, target);
    }
    const own = vertex * 8;
    yield (batch) => pushAt(batch, TRACE_WRITE, REGION_HIGH, own);
  }
}

function* quietly(region: Region, accesses: number): Generator<Step, void> {
  const access: Step = (batch) => region.access(batch);
  for (let i = 0; i < accesses; i++) yield access;
}

const PARENT = 1;

function* forkSteps(
  region: Region,
  random: Random,
  bytes: number,
  pages: number,
  quiet: number,
): Generator<Step, never> {
  // What a process of this kind has in memory before it forks: `pages` pages, each of which both sides then write.
  const first = random.below(Math.floor(bytes / PAGE) - Math.min(pages, Math.floor(bytes / PAGE) - 1)) * PAGE;
  const writeAll = function* (): Generator<Step, void> {
    for (let page = 0; page < pages; page++) {
      yield (batch) => pushAt(batch, TRACE_WRITE, REGION_HIGH, first + page * PAGE);
    }
  };
  yield* writeAll();
  // Numbers come round: a process that has ended may be made again.
  for (let child = 2; ; child = child === 1000 ? 2 : child + 1) {
    const number = child;
    yield (batch) => batch.push(TRACE_FORK, 0, 0, number);
    yield (batch) => batch.push(TRACE_SWITCH, 0, 0, number);
    yield* writeAll();
    yield (batch) => batch.push(TRACE_SWITCH, 0, 0, PARENT);
    yield (batch) => batch.push(TRACE_EXIT, 0, 0, number);
    yield* writeAll();
    yield* quietly(region, quiet);
  }
}

function* mmapSteps(region: Region, pages: number, quiet: number): Generator<Step, never> {
  // Addresses go up and come round, as those of mmap do.
  const windows = 1024;
  for (let window = 0; ; window = (window + 1) % windows) {
    const base = window * pages * PAGE;
    for (let page = 0; page < pages; page++) {
      yield (batch) => pushAt(batch, TRACE_WRITE, WINDOW_HIGH, base + page * PAGE);
    }
    yield (batch) => batch.push(TRACE_UNMAP, base | 0, WINDOW_HIGH + ((base / 2 ** 32) | 0), pages);
    yield* quietly(region, quiet);
  }
}

function* pageCacheSteps(
  region: Region,
  random: Random,
  bytes: number,
  pages: number,
  quiet: number,
): Generator<Step, never> {
  // A file as large as the region, read through windows at places by Zipf's law into a buffer that stays.
  const file = new Zipf(bytes, random);
  const buffer = bytes;
  for (;;) {
    const start = file.next();
    const base = start - (start % PAGE);
    for (let page = 0; page < pages; page++) {
      for (let line = 0; line < PAGE; line += 256) {
        yield (batch) => pushAt(batch, TRACE_READ, WINDOW_HIGH, base + page * PAGE + line);
        yield (batch) => pushAt(batch, TRACE_WRITE, REGION_HIGH, buffer + page * PAGE + line);
      }
    }
    yield (batch) => batch.push(TRACE_UNMAP, base | 0, WINDOW_HIGH + ((base / 2 ** 32) | 0), pages);
    yield* quietly(region, quiet);
  }
}

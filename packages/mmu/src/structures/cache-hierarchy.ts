import { type ArrayGeometry, checkGeometry, geometryError } from "./geometry.ts";
import { SetAssociative } from "./set-associative.ts";

/** One level of data cache, of 64-byte lines. */
export interface CacheGeometry extends Omit<ArrayGeometry, "entries"> {
  /** Capacity; a multiple of 64. */
  readonly bytes: number;
  /** Load-to-use latency. */
  readonly cycles: number;
}

/** Data caches that page walks read through; a level left out is not there. */
export interface CacheHierarchyGeometry {
  readonly l1?: CacheGeometry;
  readonly l2?: CacheGeometry;
  readonly llc?: CacheGeometry;
  /** Latency of what no cache has. */
  readonly memoryCycles: number;
}

const LINE_BYTES = 64;
const LEVELS = ["l1", "l2", "llc"] as const;
/** {@link CacheHierarchy.access} answers with these: the places of `HitPlace` in its order. */
const PLACE_OF = { l1: 3, l2: 2, llc: 1 } as const;

/** Up to three levels of data cache with latencies; a line that is found is brought into every level above. */
export class CacheHierarchy {
  /** Latency by place: memory, LLC, L2, L1. */
  readonly cycles: Float64Array = new Float64Array(4);
  /** Accesses by place. */
  readonly counts: Float64Array = new Float64Array(4);
  readonly #arrays: readonly SetAssociative[];
  readonly #places: readonly number[];

  /** @throws RangeError (code `MMU_GEOMETRY`) */
  constructor(geometry: CacheHierarchyGeometry) {
    const present = LEVELS.filter((level) => geometry[level] !== undefined);
    this.#places = present.map((level) => PLACE_OF[level]);
    this.#arrays = present.map((level) => createArray(level, geometry[level] as CacheGeometry));
    this.cycles[0] = checkCycles("memory", geometry.memoryCycles);
    for (const level of present) {
      this.cycles[PLACE_OF[level]] = checkCycles(level, (geometry[level] as CacheGeometry).cycles);
    }
  }

  /** Reads or writes the line of `hpa`. @returns the place it was found in: 0 memory, 1 LLC, 2 L2, 3 L1. */
  access(hpa: number): number {
    const line = Math.floor(hpa / LINE_BYTES);
    const low = line | 0;
    const high = (line / 2 ** 32) | 0;
    let place = 0;
    let found = 0;
    for (; found < this.#arrays.length; found++) {
      if ((this.#arrays[found] as SetAssociative).find(low, high, 0) < 0) continue;
      place = this.#places[found] as number;
      break;
    }
    for (let level = 0; level < found; level++) (this.#arrays[level] as SetAssociative).insert(low, high, 0, -1);
    (this.counts[place] as number)++;
    return place;
  }
}

function createArray(level: string, { bytes, ...geometry }: CacheGeometry): SetAssociative {
  if (bytes % LINE_BYTES !== 0) throw geometryError(`${level} cache: ${bytes} bytes are no multiple of ${LINE_BYTES}`);
  return new SetAssociative(checkGeometry(`${level} cache`, { ...geometry, entries: bytes / LINE_BYTES }));
}

function checkCycles(what: string, cycles: number): number {
  if (!(cycles >= 0 && cycles < 2 ** 31)) throw geometryError(`${what}: cycles must be from 0 to 2^31, not ${cycles}`);
  return cycles;
}

import type { Replacement } from "./replacement.ts";

/** How many entries a structure has and how they are searched. */
export interface ArrayGeometry {
  /** 1 to 2^20. */
  readonly entries: number;
  /** Entries a lookup compares; entries / ways sets, a power of two of them. Default: all entries, one set. */
  readonly ways?: number;
  /** Default `lru`. */
  readonly replacement?: Replacement;
}

const POLICIES: readonly Replacement[] = ["lru", "plru", "random", "fifo"];
const MOST_ENTRIES = 2 ** 20;

/** A geometry that can be built, with nothing left to default. */
export interface CheckedGeometry {
  readonly sets: number;
  readonly ways: number;
  readonly replacement: Replacement;
}

/**
 * @param what names the structure in the error.
 * @throws RangeError (code `MMU_GEOMETRY`) for what no structure can have.
 */
export function checkGeometry(what: string, geometry: ArrayGeometry): CheckedGeometry {
  const { entries, ways = entries, replacement = "lru" } = geometry;
  if (!Number.isInteger(entries) || entries < 1 || entries > MOST_ENTRIES) {
    throw geometryError(`${what}: entries must be an integer from 1 to 2^20, not ${entries}`);
  }
  if (!Number.isInteger(ways) || ways < 1 || entries % ways !== 0) {
    throw geometryError(`${what}: ${entries} entries cannot have ${ways} ways; ${divisors(entries)} are possible`);
  }
  const sets = entries / ways;
  if (!isPowerOfTwo(sets)) {
    throw geometryError(`${what}: ${entries} entries of ${ways} ways are ${sets} sets, which is no power of two`);
  }
  if (!POLICIES.includes(replacement)) {
    throw geometryError(`${what}: replacement must be ${POLICIES.join(" or ")}, not ${replacement}`);
  }
  if (replacement === "plru" && !isPowerOfTwo(ways)) {
    throw geometryError(`${what}: plru needs a power of two of ways, not ${ways}`);
  }
  return { sets, ways, replacement };
}

/** What is wrong with a geometry, in one line. */
export function geometryError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_GEOMETRY" });
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));

/** Ways that would make a power of two of sets, as a list to choose from. */
function divisors(entries: number): string {
  const possible: number[] = [];
  for (let ways = entries; ; ways /= 2) {
    possible.push(ways);
    if (ways % 2 !== 0) return possible.reverse().join(", ");
  }
}

// Guest memory that the code of a block has reached already: what lies beside it, by the same base register, is likely in
// the same page, which costs one comparison to find out instead of a look at the TLB.
import type { Val } from "@tsvm/tcg";

/** An access that was a hit. */
export interface Reached {
  readonly linear: Val;
  /** Host address of `linear`, i32. */
  readonly host: Val;
  readonly bytes: number;
  /** Its page may be written. */
  readonly writable: boolean;
  /** It was looked up, not found beside another one. */
  readonly lookedUp: boolean;
  readonly place: LinearPlace;
}

/** A linear address, as a distance from a value. */
interface LinearPlace {
  readonly base: Val;
  readonly distance: number;
  /** Addresses end at 4 GiB. */
  readonly narrow: boolean;
}

/** Farther away the page is another one too often. */
const MOST_DISTANCE = 512;
const NARROW_MASK = 0xffff_ffff;

/** What there is to reach an access from. */
export interface Near {
  readonly reached: Reached;
  /** Bytes from there to here. */
  readonly distance: number;
  /** All of the access was part of that one. */
  readonly isPart: boolean;
}

/** Of a block, in the order they came. */
export class ReachedMemory {
  readonly #accesses: (Reached | undefined)[] = [];

  /** How much was reached so far; for {@link forgetSince}. */
  get mark(): number {
    return this.#accesses.length;
  }

  /** What was reached in a branch is not known to be behind it. */
  forgetSince(mark: number): void {
    this.#accesses.length = mark;
  }

  /** Marks stay good. */
  forgetAll(): void {
    this.#accesses.fill(undefined);
  }

  add(access: Omit<Reached, "place">): void {
    this.#accesses.push({ ...access, place: placeOf(access.linear) });
  }

  /** An access that all of this one was part of, or the nearest that was looked up. */
  near(linear: Val, bytes: number, writes: boolean): Near | undefined {
    const { base, distance, narrow } = placeOf(linear);
    let nearest: Reached | undefined;
    let least = MOST_DISTANCE + 1;
    for (let i = this.#accesses.length - 1; i >= 0; i--) {
      const reached = this.#accesses[i];
      if (reached === undefined) continue;
      const { place } = reached;
      if (place.base !== base || place.narrow !== narrow || (writes && !reached.writable)) continue;
      const behind = distance - place.distance;
      if (behind >= 0 && behind + bytes <= reached.bytes) return { reached, distance: behind, isPart: true };
      if (Math.abs(behind) >= least || !reached.lookedUp) continue;
      nearest = reached;
      least = Math.abs(behind);
    }
    return nearest && { reached: nearest, distance: distance - nearest.place.distance, isPart: false };
  }
}

function placeOf(linear: Val): LinearPlace {
  const isMasked = linear.op === "i64.and" && linear.args[1]?.constant === NARROW_MASK;
  const narrow = isMasked || (linear.bits !== undefined && linear.bits <= 32);
  let base = isMasked ? (linear.args[0] as Val) : linear;
  let distance = 0;
  for (; ; base = base.args[0] as Val) {
    const constant = base.args[1]?.constant;
    if (typeof constant !== "number" || (base.op !== "i64.add" && base.op !== "i64.sub")) break;
    distance += base.op === "i64.add" ? constant : -constant;
  }
  return { base, distance, narrow };
}

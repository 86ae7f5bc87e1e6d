import type { PteMemory } from "../walker.ts";
import { BUCKET_BYTES } from "./hashed-tables.ts";
import type { HostDimension } from "./host-dimension.ts";
import type { WalkLog } from "./walk-log.ts";

/**
 * The memory a `HashedWalker` is given: a bucket is one reference, made by its first word. Probes do not wait for each
 * other, so that together they take as long as the longest.
 */
export class BucketMemory implements PteMemory {
  stopped = false;
  /** `WalkReference.guestLevel` of the references to come. */
  guestLevel = 0;
  readonly #memory: PteMemory;
  readonly #log: WalkLog;
  readonly #dimension: number;
  /** Another dimension that buckets have to be found through. */
  readonly #host: HostDimension | undefined;
  readonly #hpas = new Map<number, number>();
  #hpa = 0;
  #longest = 0;

  constructor(memory: PteMemory, log: WalkLog, dimension: number, host?: HostDimension) {
    this.#memory = memory;
    this.#log = log;
    this.#dimension = dimension;
    this.#host = host;
  }

  /** A lookup begins. */
  begin(): void {
    this.stopped = false;
    this.#longest = 0;
    this.#hpas.clear();
  }

  /** The lookup has ended. */
  end(): void {
    this.#log.cycles += this.#longest;
  }

  load32(address: number): number {
    if (this.stopped) return 0;
    if (address % BUCKET_BYTES === 0) this.#probe(address);
    return this.stopped ? 0 : this.#memory.load32(this.#hpa + (address % BUCKET_BYTES));
  }

  or32(address: number, bits: number): void {
    const hpa = this.#hpas.get(address);
    if (this.stopped || hpa === undefined) return;
    if (this.#host?.prepareUpdate(address, 1) === false) this.stopped = true;
    else this.#memory.or32(hpa, bits);
  }

  #probe(address: number): void {
    const before = this.#log.cycles;
    if (this.#host === undefined) this.#hpa = address;
    else if (this.#host.locateTable(address, 1, true)) this.#hpa = this.#host.hpa;
    else this.stopped = true;
    if (!this.stopped) this.#log.add(this.#dimension, 1, this.guestLevel, address, this.#hpa);
    this.#longest = Math.max(this.#longest, this.#log.cycles - before);
    this.#log.cycles = before;
    this.#hpas.set(address, this.#hpa);
  }
}

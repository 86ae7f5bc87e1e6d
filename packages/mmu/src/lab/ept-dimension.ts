import { ACCESS_KINDS, ACCESS_READ, ACCESS_WRITE } from "../access.ts";
import { type EptOptions, type EptResult, EptWalker, eptPermits } from "../ept.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory } from "../walker.ts";
import { HostDimension } from "./host-dimension.ts";
import { DirectTables } from "./traced-tables.ts";
import { HOST_ENTRY, type WalkLog } from "./walk-log.ts";

/** EPT violation by a data read. Bits of the exit qualification; SDM vol. 3C, "Exit Qualification for EPT Violations". */
export const EPT_VIOLATION_READ = 0x001;
/** EPT violation by a data write. */
export const EPT_VIOLATION_WRITE = 0x002;
/** EPT violation by a fetch. */
export const EPT_VIOLATION_FETCH = 0x004;
/** Bits 5:3: the `EPT_R`, `EPT_W`, `EPT_X` that all entries used have. */
export const EPT_VIOLATION_RIGHTS_SHIFT = 3;
/** There was a guest linear address; clear only for PDPTE loads. */
export const EPT_VIOLATION_LINEAR = 0x080;
/** The access was to the page itself; clear: to a guest table on the way there. */
export const EPT_VIOLATION_TRANSLATED = 0x100;

/** Extended page tables, with their exits. */
export class EptDimension extends HostDimension {
  readonly #tables: DirectTables;
  readonly #walker: EptWalker;
  /** For flag updates: the processor still has the rights from reading the entry and makes no references. */
  readonly #silent: EptWalker;

  constructor(options: EptOptions, memory: PteMemory, log: WalkLog, structures: WalkStructures) {
    super(log, structures);
    this.#silent = new EptWalker(memory, options);
    this.#tables = new DirectTables(
      memory,
      { levels: this.#silent.levels, entryBytes: 8 },
      HOST_ENTRY,
      log,
      structures.hostWalkCache !== undefined,
    );
    this.#walker = new EptWalker(this.#tables, options);
  }

  locateTable(gpa: number, guestLevel: number, linear: boolean): boolean {
    // SDM vol. 3C, "Accessed and Dirty Flags for EPT": with them, accesses to guest tables are treated as writes.
    const kinds = this.#walker.accessedDirty ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ;
    return this.#locate(gpa, guestLevel, kinds, linear ? EPT_VIOLATION_LINEAR : 0);
  }

  prepareUpdate(gpa: number, _guestLevel: number): boolean {
    const result = this.#silent.walk(gpa, ACCESS_WRITE);
    if (result !== "mapped") return this.#fail(this.#silent, result, gpa, ACCESS_WRITE, EPT_VIOLATION_LINEAR);
    this.#take(this.#silent);
    return true;
  }

  locatePage(gpa: number, kinds: number): boolean {
    return this.#locate(gpa, 0, kinds, EPT_VIOLATION_LINEAR | EPT_VIOLATION_TRANSLATED);
  }

  protected override dropFaulting(gpa: number): void {
    const { nestedTlb, hostWalkCache, physicalTag } = this.structures;
    const scope = { tag: physicalTag, mask: -1 };
    nestedTlb?.dropPage(gpa | 0, (gpa / 2 ** 32) | 0, scope);
    hostWalkCache?.dropWay(gpa | 0, (gpa / 2 ** 32) | 0, scope, 9);
  }

  #locate(gpa: number, guestLevel: number, kinds: number, place: number): boolean {
    if (this.findNested(gpa, kinds, guestLevel)) return true;
    const result = this.#walk(gpa, guestLevel, kinds);
    if (result !== "mapped") return this.#fail(this.#walker, result, gpa, kinds, place);
    if ((kinds & ACCESS_KINDS) !== 0) this.fillNested(gpa);
    return true;
  }

  #walk(gpa: number, guestLevel: number, kinds: number): EptResult {
    const cache = this.structures.hostWalkCache;
    if (cache === undefined && this.log.isPlain) {
      // One that fails is made again with every entry counted.
      const plain = this.#silent;
      if (plain.walk(gpa, kinds) === "mapped") {
        this.log.count(HOST_ENTRY, plain.levels - (plain.pageShift - 12) / 9);
        this.#take(plain);
        return "mapped";
      }
    }
    this.#tables.guestLevel = guestLevel;
    this.#tables.begin();
    if (cache === undefined) return this.#end(this.#walker.walk(gpa, kinds));
    const { physicalTag } = this.structures;
    const low = gpa | 0;
    const high = (gpa / 2 ** 32) | 0;
    const level = gpa < 2 ** (12 + 9 * this.#walker.levels) ? cache.find(low, high, physicalTag, 9) : 0;
    if (level === 0) cache.allLow = -1;
    else this.#tables.beginFromCache(cache, HOST_ENTRY, level, guestLevel, gpa);
    const result =
      level === 0
        ? this.#walker.walk(gpa, kinds)
        : this.#walker.walkBelow(level, cache.low, cache.high, cache.allLow, gpa, kinds);
    if (result === "mapped" && (kinds & ACCESS_KINDS) !== 0) this.#tables.fillCache(cache, low, high, physicalTag);
    return this.#end(result);
  }

  #end(result: EptResult): EptResult {
    if (result === "mapped") this.#take(this.#walker);
    return result;
  }

  #take(walker: EptWalker): void {
    this.hpa = walker.hpa;
    this.pageShift = walker.pageShift;
    this.permits = eptPermits(walker.rights);
    this.dirty = walker.dirty;
  }

  #fail(walker: EptWalker, result: EptResult, gpa: number, kinds: number, place: number): false {
    this.dropFaulting(gpa);
    this.exit =
      result === "misconfiguration"
        ? { receiver: "hypervisor", cause: "ept-misconfiguration", gpa }
        : { receiver: "hypervisor", cause: "ept-violation", qualification: qualify(walker, kinds) | place, gpa };
    return false;
  }
}

/** Bits 5:0 of the exit qualification. `ACCESS_READ` and `ACCESS_WRITE` stand where the qualification has them. */
function qualify(walker: EptWalker, kinds: number): number {
  const fetch = (kinds & ~(ACCESS_READ | ACCESS_WRITE)) !== 0 ? EPT_VIOLATION_FETCH : 0;
  return (kinds & (EPT_VIOLATION_READ | EPT_VIOLATION_WRITE)) | fetch | (walker.rights << EPT_VIOLATION_RIGHTS_SHIFT);
}

import { ACCESS_KINDS, ACCESS_READ, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "../access.ts";
import type { RightsControls } from "../rights.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import type { PagingRegisters, PteMemory } from "../walker.ts";
import { BaseTranslator } from "./base-translator.ts";
import { BucketMemory } from "./bucket-memory.ts";
import { createHostDimension } from "./create-host-dimension.ts";
import { pageFault } from "./guest-address.ts";
import type { HashedTables } from "./hashed-tables.ts";
import { type HashedProbes, HashedWalker } from "./hashed-walker.ts";
import { HostDimension, type HostPaging } from "./host-dimension.ts";
import { NPF_FINAL, NPF_TABLE } from "./paged-dimension.ts";
import type { Translator } from "./translator.ts";
import { GUEST_ENTRY, HOST_ENTRY, NATIVE_ENTRY, type WalkLog } from "./walk-log.ts";

/** Hashed tables and what they are walked by. */
export interface HashedPaging {
  readonly tables: HashedTables;
  /** What differs from `DEFAULT_PAGING_REGISTERS`; `cr3` does not matter. */
  readonly registers?: Partial<PagingRegisters>;
  /** Default `all`. */
  readonly probes?: HashedProbes;
}

/** What {@link createHashedTranslator} needs. */
export interface HashedOptions {
  /** Host memory: all tables, the guest's where the host places them. */
  readonly memory: PteMemory;
  readonly guest: HashedPaging;
  /** Tables that place the guest; none: it is alone on the machine. Exits of hashed ones look like AMD's. */
  readonly host?: HostPaging | ({ readonly kind: "hashed" } & HashedPaging);
  /** The guest's tables after a MOV to CR3; default: they are always the same. @param root CR3 without its low 12 bits. */
  readonly tablesAt?: (root: number) => HashedTables;
  /** The walk caches of levels do not apply. */
  readonly structures?: WalkStructures;
}

/**
 * A system on hashed page tables, alone or in two dimensions. With `d` ways of one size a lookup makes d references, and
 * d x d + 2 x d in two dimensions, in three steps of parallel ones: the host's for each bucket of the guest, the guest's,
 * the host's for the page. J. Stojkovic et al., "Parallel Virtualized Memory Translation with Nested Elastic Cuckoo Page
 * Tables", ASPLOS 2022. Directed ones make 1 and 3, which is what hashed tables without collisions take: I. Yaniv and D.
 * Tsafrir, "Hash, Don't Cache (the Page Table)", SIGMETRICS 2016.
 * @throws RangeError (code `MMU_REGISTERS`, `MMU_EPTP` or `MMU_HOST`)
 */
export function createHashedTranslator(options: HashedOptions): Translator {
  return new HashedTranslator(options);
}

class HashedTranslator extends BaseTranslator {
  readonly scheme = "hashed";
  readonly controls: RightsControls;
  readonly #walker: HashedWalker;
  readonly #buckets: BucketMemory;
  readonly #host: HostDimension | undefined;
  readonly #tablesAt: ((root: number) => HashedTables) | undefined;

  constructor({ memory, guest, host, tablesAt, structures = new WalkStructures() }: HashedOptions) {
    super("long4", structures);
    if (host?.kind === "hashed") this.#host = new HashedDimension(host, memory, this.log, structures);
    else if (host !== undefined) this.#host = createHostDimension(host, memory, this.log, structures);
    const dimension = this.#host === undefined ? NATIVE_ENTRY : GUEST_ENTRY;
    this.#buckets = new BucketMemory(memory, this.log, dimension, this.#host);
    this.#walker = new HashedWalker(this.#buckets, guest.tables, guest.probes ?? "all");
    this.#walker.configure(guest.registers ?? {});
    this.controls = this.#walker.registers;
    this.#tablesAt = tablesAt;
  }

  protected override search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const walker = this.#walker;
    this.#buckets.begin();
    const isMapped = walker.walk(gvaLow, gvaHigh, access);
    this.#buckets.end();
    if (this.#host === undefined) return isMapped ? this.take(walker) : this.fail(pageFault(walker.errorCode));
    if (isMapped && !this.#buckets.stopped) return this.takeThrough(this.#host, walker, gvaLow, access);
    return this.failThrough(this.#host, this.#buckets.stopped, walker);
  }

  writeCr3(cr3: number): undefined {
    this.#walker.configure({ cr3 });
    if (this.#tablesAt !== undefined) this.#walker.tables = this.#tablesAt(cr3 - (cr3 % 0x1000));
    return undefined;
  }
}

/** The host's dimension in hashed tables: as under NPT, accesses are a user's, and those to guest tables are writes. */
class HashedDimension extends HostDimension {
  readonly #buckets: BucketMemory;
  readonly #walker: HashedWalker;
  readonly #silent: HashedWalker;

  constructor(
    { tables, registers = {}, probes = "all" }: HashedPaging,
    memory: PteMemory,
    log: WalkLog,
    structures: WalkStructures,
  ) {
    super(log, structures);
    this.#buckets = new BucketMemory(memory, log, HOST_ENTRY);
    this.#walker = new HashedWalker(this.#buckets, tables, probes);
    this.#silent = new HashedWalker(memory, tables, "all");
    for (const walker of [this.#walker, this.#silent]) walker.configure(registers);
  }

  override locateTable(gpa: number, guestLevel: number): boolean {
    return this.#locate(gpa, guestLevel, ACCESS_READ | ACCESS_WRITE);
  }

  override prepareUpdate(gpa: number, guestLevel: number): boolean {
    if (!this.#silent.walkPage(Math.floor(gpa / 0x1000), ACCESS_WRITE | ACCESS_USER)) {
      return this.#fail(gpa, guestLevel, this.#silent.errorCode);
    }
    return this.#take(this.#silent, gpa);
  }

  override locatePage(gpa: number, kinds: number): boolean {
    return this.#locate(gpa, 0, kinds);
  }

  protected override dropFaulting(gpa: number): void {
    const { nestedTlb, physicalTag } = this.structures;
    nestedTlb?.dropPage(gpa | 0, (gpa / 2 ** 32) | 0, { tag: physicalTag, mask: -1 });
  }

  #locate(gpa: number, guestLevel: number, kinds: number): boolean {
    if (this.findNested(gpa, kinds, guestLevel)) return true;
    this.#buckets.guestLevel = guestLevel;
    this.#buckets.begin();
    const isMapped = this.#walker.walkPage(Math.floor(gpa / 0x1000), kinds | ACCESS_USER);
    this.#buckets.end();
    if (!isMapped) return this.#fail(gpa, guestLevel, this.#walker.errorCode);
    this.#take(this.#walker, gpa);
    if ((kinds & ACCESS_KINDS) !== 0) this.fillNested(gpa);
    return true;
  }

  #take(walker: HashedWalker, gpa: number): true {
    this.hpa = walker.gfn * 0x1000 + (gpa & 0xfff);
    this.pageShift = walker.pageShift;
    this.permits = walker.permits;
    this.dirty = walker.dirty;
    return true;
  }

  #fail(gpa: number, guestLevel: number, errorCode: number): false {
    this.dropFaulting(gpa);
    const exitInfo1 = errorCode + (guestLevel === 0 ? NPF_FINAL : NPF_TABLE);
    this.exit = { receiver: "hypervisor", cause: "nested-page-fault", exitInfo1, gpa };
    return false;
  }
}

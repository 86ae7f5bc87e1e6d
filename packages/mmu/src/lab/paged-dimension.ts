import { ACCESS_KINDS, ACCESS_READ, ACCESS_USER, ACCESS_WRITE } from "../access.ts";
import { PF_US, PF_WR } from "../fault.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { HostDimension, type HostPaging } from "./host-dimension.ts";
import { createTableWalker } from "./table-mode.ts";
import { DirectTables, TABLE_SHAPES, walkCached } from "./traced-tables.ts";
import type { HypervisorExit } from "./translator.ts";
import { HOST_ENTRY, type WalkLog } from "./walk-log.ts";

/** EXITINFO1 of a nested page fault: at the final guest physical address. APM vol. 2, "Nested versus Guest Page Faults". */
export const NPF_FINAL: number = 2 ** 32;
/** EXITINFO1 of a nested page fault: at a guest table. */
export const NPF_TABLE: number = 2 ** 33;

/** NPT, and the process of naive nesting: both are ordinary tables, walked by user accesses. */
export class PagedDimension extends HostDimension {
  readonly #isNpt: boolean;
  readonly #hvaBase: number;
  readonly #reach: number;
  readonly #tables: DirectTables;
  readonly #walker: Walker;
  readonly #silent: Walker;

  constructor(
    paging: Exclude<HostPaging, { kind: "ept" }>,
    memory: PteMemory,
    log: WalkLog,
    structures: WalkStructures,
  ) {
    super(log, structures);
    this.#isNpt = paging.kind === "npt";
    this.#hvaBase = paging.kind === "npt" ? 0 : paging.hvaBase;
    this.#reach = { legacy32: 2 ** 32, pae: 2 ** 32, long4: 2 ** 48, flattened: 2 ** 48, long5: 2 ** 52 }[paging.mode];
    if (!Number.isInteger(this.#hvaBase / 0x1000) || this.#hvaBase < 0 || this.#hvaBase >= this.#reach) {
      const message = `hvaBase must be a multiple of 4096 that ${paging.mode} tables reach, not ${this.#hvaBase}`;
      throw Object.assign(new RangeError(message), { code: "MMU_HOST" });
    }
    this.#tables = new DirectTables(
      memory,
      TABLE_SHAPES[paging.mode],
      HOST_ENTRY,
      log,
      structures.hostWalkCache !== undefined,
    );
    this.#walker = createTableWalker(paging.mode, this.#tables, paging.registers);
    this.#silent = createTableWalker(paging.mode, memory, paging.registers);
    // Both are loaded silently: a host loads its PDPTEs long before the guest runs.
    this.#silent.loadPdptes();
    this.#walker.pdptes.set(this.#silent.pdptes);
  }

  locateTable(gpa: number, guestLevel: number, _linear: boolean): boolean {
    // APM vol. 2, "Nested Table Walk": nested accesses to guest tables count as user writes. A program only reads them.
    return this.#locate(gpa, guestLevel, this.#isNpt ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ);
  }

  prepareUpdate(gpa: number, guestLevel: number): boolean {
    // To a program the update is one more access, with a walk of its own; NPT asked for the right to write before.
    if (!this.#isNpt) return this.#locate(gpa, guestLevel, ACCESS_WRITE);
    const address = gpa + this.#hvaBase;
    if (!this.#silent.walkPage(Math.floor(address / 0x1000), ACCESS_WRITE | ACCESS_USER)) {
      return this.#fail(gpa, guestLevel, this.#silent.errorCode);
    }
    this.#take(this.#silent, gpa);
    return true;
  }

  locatePage(gpa: number, kinds: number): boolean {
    return this.#locate(gpa, 0, kinds);
  }

  protected override dropFaulting(gpa: number): void {
    const { nestedTlb, hostWalkCache, physicalTag } = this.structures;
    const scope = { tag: physicalTag, mask: -1 };
    const address = gpa + this.#hvaBase;
    nestedTlb?.dropPage(gpa | 0, (gpa / 2 ** 32) | 0, scope);
    hostWalkCache?.dropWay(address | 0, (address / 2 ** 32) | 0, scope, this.#tables.indexBits);
  }

  #locate(gpa: number, guestLevel: number, kinds: number): boolean {
    if (this.findNested(gpa, kinds, guestLevel)) return true;
    const address = gpa + this.#hvaBase;
    if (address >= this.#reach) return this.#fail(gpa, guestLevel, (kinds & PF_WR) | PF_US);
    this.#tables.guestLevel = guestLevel;
    const { hostWalkCache, physicalTag } = this.structures;
    const low = address | 0;
    const high = (address / 2 ** 32) | 0;
    const access = kinds | ACCESS_USER;
    if (
      !walkCached(this.#walker, this.#tables, hostWalkCache, physicalTag, HOST_ENTRY, guestLevel, low, high, access)
    ) {
      return this.#fail(gpa, guestLevel, this.#walker.errorCode);
    }
    this.#take(this.#walker, gpa);
    if ((kinds & ACCESS_KINDS) !== 0) this.fillNested(gpa);
    return true;
  }

  #take(walker: Walker, gpa: number): void {
    this.hpa = walker.gfn * 0x1000 + (gpa & 0xfff);
    this.pageShift = walker.pageShift;
    this.permits = walker.permits;
    this.dirty = walker.dirty;
  }

  #fail(gpa: number, guestLevel: number, errorCode: number): false {
    this.dropFaulting(gpa);
    this.exit = this.#exitOf(gpa, guestLevel, errorCode);
    return false;
  }

  #exitOf(gpa: number, guestLevel: number, errorCode: number): HypervisorExit {
    if (!this.#isNpt) {
      return { receiver: "hypervisor", cause: "host-page-fault", errorCode, hva: gpa + this.#hvaBase, gpa };
    }
    const exitInfo1 = errorCode + (guestLevel === 0 ? NPF_FINAL : NPF_TABLE);
    return { receiver: "hypervisor", cause: "nested-page-fault", exitInfo1, gpa };
  }
}

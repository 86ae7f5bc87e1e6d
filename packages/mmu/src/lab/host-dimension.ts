import { ACCESS_READ, ACCESS_USER, ACCESS_WRITE } from "../access.ts";
import { createWalker } from "../create-walker.ts";
import { type EptOptions, EptWalker, eptPermits } from "../ept.ts";
import { PF_US, PF_WR } from "../fault.ts";
import type { PagingMode, PagingRegisters, PteMemory, Walker } from "../walker.ts";
import { DirectTables, TABLE_SHAPES } from "./traced-tables.ts";
import type { HypervisorExit, WalkReference } from "./translator.ts";

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

/** EXITINFO1 of a nested page fault: at the final guest physical address. APM vol. 2, "Nested versus Guest Page Faults". */
export const NPF_FINAL: number = 2 ** 32;
/** EXITINFO1 of a nested page fault: at a guest table. */
export const NPF_TABLE: number = 2 ** 33;

/** The tables that place guest physical memory in host memory. */
export type HostPaging =
  | ({
      /** Intel's extended page tables. */
      readonly kind: "ept";
    } & EptOptions)
  | {
      /** AMD's nested page tables: ordinary ones, at nCR3. Every nested access is a user access. */
      readonly kind: "npt";
      readonly mode: Exclude<PagingMode, "bare">;
      /** The host's, with nCR3 as `cr3`. */
      readonly registers: Partial<PagingRegisters>;
    }
  | {
      /** No second dimension in hardware: the ordinary tables of the process that holds the guest's memory. */
      readonly kind: "process";
      readonly mode: Exclude<PagingMode, "bare">;
      readonly registers: Partial<PagingRegisters>;
      /** Where gpa 0 is in that process; a multiple of 4096. */
      readonly hvaBase: number;
    };

/** One dimension of walks from guest physical to host physical addresses, and what its exits look like. */
export interface HostDimension {
  /** After success: where the byte is. */
  readonly hpa: number;
  /** After {@link locatePage}: size of the host's mapping. */
  readonly pageShift: number;
  /** After {@link locatePage}: `ACCESS_*` kinds granted. */
  readonly permits: number;
  /** After failure: what the hypervisor is told. */
  readonly exit: HypervisorExit | undefined;
  /** Finds a guest table entry; `linear` is false for PDPTE loads. */
  locateTable(gpa: number, guestLevel: number, linear: boolean): boolean;
  /** The guest's accessed or dirty flag at `gpa` is about to be set: asks for the right to write there. */
  prepareUpdate(gpa: number, guestLevel: number): boolean;
  /** Finds the page; `kinds` as in `AccessBits`. */
  locatePage(gpa: number, kinds: number): boolean;
}

/**
 * @param memory host memory. @param log takes the references.
 * @throws RangeError (code `MMU_EPTP`, `MMU_REGISTERS` or `MMU_HOST`) for impossible registers.
 */
export function createHostDimension(paging: HostPaging, memory: PteMemory, log: WalkReference[]): HostDimension {
  return paging.kind === "ept" ? new EptDimension(paging, memory, log) : new PagedDimension(paging, memory, log);
}

/** What the hypervisor is told of the lookup that has just failed. */
export function exitOf(host: HostDimension): HypervisorExit {
  if (host.exit === undefined) throw new Error("a lookup that failed has an exit");
  return host.exit;
}

class EptDimension implements HostDimension {
  hpa = 0;
  pageShift = 12;
  permits = 0;
  exit: HypervisorExit | undefined;
  readonly #tables: DirectTables;
  readonly #walker: EptWalker;
  /** For flag updates: the processor still has the rights from reading the entry and makes no references. */
  readonly #silent: EptWalker;

  constructor(options: EptOptions, memory: PteMemory, log: WalkReference[]) {
    this.#silent = new EptWalker(memory, options);
    this.#tables = new DirectTables(memory, { levels: this.#silent.levels, entryBytes: 8 }, "host", log);
    this.#walker = new EptWalker(this.#tables, options);
  }

  locateTable(gpa: number, guestLevel: number, linear: boolean): boolean {
    // SDM vol. 3C, "Accessed and Dirty Flags for EPT": with them, accesses to guest tables are treated as writes.
    const kinds = this.#walker.accessedDirty ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ;
    return this.#locate(this.#walker, gpa, guestLevel, kinds, linear ? EPT_VIOLATION_LINEAR : 0);
  }

  prepareUpdate(gpa: number, guestLevel: number): boolean {
    return this.#locate(this.#silent, gpa, guestLevel, ACCESS_WRITE, EPT_VIOLATION_LINEAR);
  }

  locatePage(gpa: number, kinds: number): boolean {
    return this.#locate(this.#walker, gpa, 0, kinds, EPT_VIOLATION_LINEAR | EPT_VIOLATION_TRANSLATED);
  }

  #locate(walker: EptWalker, gpa: number, guestLevel: number, kinds: number, place: number): boolean {
    this.#tables.guestLevel = guestLevel;
    this.#tables.begin();
    const result = walker.walk(gpa, kinds);
    if (result === "mapped") {
      this.hpa = walker.hpa;
      this.pageShift = walker.pageShift;
      this.permits = eptPermits(walker.rights);
      return true;
    }
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

/** NPT, and the process of naive nesting: both are ordinary tables, walked by user accesses. */
class PagedDimension implements HostDimension {
  hpa = 0;
  pageShift = 12;
  permits = 0;
  exit: HypervisorExit | undefined;
  readonly #isNpt: boolean;
  readonly #hvaBase: number;
  readonly #reach: number;
  readonly #tables: DirectTables;
  readonly #walker: Walker;
  readonly #silent: Walker;

  constructor(paging: Exclude<HostPaging, { kind: "ept" }>, memory: PteMemory, log: WalkReference[]) {
    this.#isNpt = paging.kind === "npt";
    this.#hvaBase = paging.kind === "npt" ? 0 : paging.hvaBase;
    this.#reach = { legacy32: 2 ** 32, pae: 2 ** 32, long4: 2 ** 48, long5: 2 ** 52 }[paging.mode];
    if (!Number.isInteger(this.#hvaBase / 0x1000) || this.#hvaBase < 0 || this.#hvaBase >= this.#reach) {
      const message = `hvaBase must be a multiple of 4096 that ${paging.mode} tables reach, not ${this.#hvaBase}`;
      throw Object.assign(new RangeError(message), { code: "MMU_HOST" });
    }
    this.#tables = new DirectTables(memory, TABLE_SHAPES[paging.mode], "host", log);
    this.#walker = createWalker(paging.mode, this.#tables, paging.registers);
    this.#silent = createWalker(paging.mode, memory, paging.registers);
    // Both are loaded silently: a host loads its PDPTEs long before the guest runs.
    this.#silent.loadPdptes();
    this.#walker.pdptes.set(this.#silent.pdptes);
  }

  locateTable(gpa: number, guestLevel: number, _linear: boolean): boolean {
    // APM vol. 2, "Nested Table Walk": nested accesses to guest tables count as user writes. A program only reads them.
    const kinds = this.#isNpt ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ;
    return this.#locate(this.#walker, gpa, guestLevel, kinds);
  }

  prepareUpdate(gpa: number, guestLevel: number): boolean {
    // To a program the update is one more access, with a walk of its own; NPT asked for the right to write before.
    return this.#locate(this.#isNpt ? this.#silent : this.#walker, gpa, guestLevel, ACCESS_WRITE);
  }

  locatePage(gpa: number, kinds: number): boolean {
    return this.#locate(this.#walker, gpa, 0, kinds);
  }

  #locate(walker: Walker, gpa: number, guestLevel: number, kinds: number): boolean {
    const address = gpa + this.#hvaBase;
    this.#tables.guestLevel = guestLevel;
    this.#tables.begin();
    const isReached = address < this.#reach;
    if (isReached && walker.walkPage(Math.floor(address / 0x1000), kinds | ACCESS_USER)) {
      this.hpa = walker.gfn * 0x1000 + (gpa % 0x1000);
      this.pageShift = walker.pageShift;
      this.permits = walker.permits;
      return true;
    }
    this.exit = this.#exitOf(gpa, guestLevel, isReached ? walker.errorCode : (kinds & PF_WR) | PF_US);
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
